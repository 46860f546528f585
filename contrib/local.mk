# SPDX-License-Identifier: Apache-2.0
# Shell completions, printed by rocky from the same tables that parse the command lines.
bash_completions = contrib/bash/rocky contrib/bash/rocky-worker contrib/bash/rocky-producer
zsh_completions = contrib/zsh/_rocky contrib/zsh/_rocky-worker contrib/zsh/_rocky-producer
fish_completions = contrib/fish/rocky.fish contrib/fish/rocky-worker.fish \
	contrib/fish/rocky-producer.fish
nodist_bashcompletion_DATA = $(bash_completions)
nodist_zshcompletion_DATA = $(zsh_completions)
nodist_fishcompletion_DATA = $(fish_completions)
CLEANFILES += $(bash_completions) $(zsh_completions) $(fish_completions)

$(bash_completions): cli/rocky$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cli/rocky$(EXEEXT) dev completion bash $(@F) >$@-t && \
		mv $@-t $@
$(zsh_completions): cli/rocky$(EXEEXT)
	$(AM_V_GEN)name=$(@F) && $(MKDIR_P) $(@D) && \
		cli/rocky$(EXEEXT) dev completion zsh $${name#_} >$@-t && mv $@-t $@
$(fish_completions): cli/rocky$(EXEEXT)
	$(AM_V_GEN)name=$(@F) && $(MKDIR_P) $(@D) && \
		cli/rocky$(EXEEXT) dev completion fish $${name%.fish} >$@-t && mv $@-t $@
