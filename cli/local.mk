# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += cli/rocky
cli_rocky_SOURCES = cli/main.c cli/options.c cli/options.h cli/commands.h \
	cli/context.c cli/context.h cli/output.c cli/output.h cli/text.c cli/text.h \
	cli/stop.c cli/stop.h cli/progress.c cli/progress.h cli/publish.c cli/publish.h \
	cli/job.c cli/job.h cli/report.c cli/report.h cli/report_plan.c cli/marks.c cli/marks.h \
	cli/cmd_validate.c cli/cmd_discover.c cli/cmd_run.c cli/cmd_state.c cli/cmd_state_delete.c \
	cli/cmd_state_set.c cli/cmd_state_adopt.c cli/cmd_state_export.c cli/cmd_state_restore.c \
	cli/cmd_state_versions.c cli/cmd_state_unlock.c \
	cli/state_session.c cli/state_session.h cli/state_holder.c cli/state_holder.h \
	cli/state_replace.c cli/state_replace.h cli/state_versions.h \
	cli/one_table.c cli/one_table.h cli/target_mark.c cli/target_mark.h \
	cli/cmd_history.c cli/cmd_history_accept.c \
	cli/cmd_doctor.c cli/doctor.c cli/doctor.h cli/doctor_state.c cli/doctor_warehouse.c \
	cli/doctor_leg.c cli/doctor_race.c cli/doctor_services.c cli/doctor_clock.c \
	cli/doctor_valkey.c \
	cli/cmd_dev.c cli/man.c cli/man.h cli/programs.c cli/programs.h producer/options.c \
	cli/cmd_demo.c cli/demo.h cli/demo_setup.c cli/demo_say.c cli/demo_data.c cli/demo_fleet.c \
	cli/demo_jobs.c cli/demo_kill.c cli/demo_kill.h
cli_rocky_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(SQLITE_CFLAGS)
# What is not used is not loaded: every library costs `rocky state` some of its ten milliseconds.
cli_rocky_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
cli_rocky_LDADD = worker/librkyworker.la engine/librkyengine.la state/librkystate.la \
	transport/librkytransport.la $(RDKAFKA_LIBS) $(SQLITE_LIBS) $(HIREDIS_LIBS) $(ZSTD_LIBS) \
	schemas/librkyschemas.la common/librkycommon.la $(JANSSON_LIBS) $(OPENSSL_LIBS) $(PTHREAD_LIBS) $(LIBSTDCXX) -lm
