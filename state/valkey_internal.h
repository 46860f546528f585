/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the Valkey client, from the bottom: URL, name resolution, socket, TLS, stream (bytes
 * with a deadline over either), reader (bytes to replies), connection (one conversation), client
 * (valkey.c: idle connections, commands, scripts). Everything but the client belongs to one thread
 * at a time.
 */
#ifndef RKY_STATE_VALKEY_INTERNAL_H
#define RKY_STATE_VALKEY_INTERNAL_H

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/types.h>

#include "common/valkey_url.h"
#include "state/valkey.h"

/* --- limits ----------------------------------------------------------------------------------- */

enum {
    /** Resolving, connecting, TLS and login together: a host that does not answer must leave time
        for the next attempt of the same transfer. */
    RKY_VALKEY_CONNECT_MS = 3000,
    /** No byte moved for this long: the attempt is over, whatever its transfer has left. */
    RKY_VALKEY_STALL_MS = 5000,
    /** An idle connection older than this is not used: a middlebox may have forgotten it. */
    RKY_VALKEY_IDLE_MS = 60000,
    RKY_VALKEY_IDLE_MAX = 8,
    /** Elements of one reply, nested ones included; the longest we ask for is a page of SCAN. */
    RKY_VALKEY_ELEMENTS_MAX = 100000,
    /** A line (a number, a length, an error) that is longer is not this protocol. */
    RKY_VALKEY_LINE_MAX = 65536,
    /** How much of an error reply is kept. */
    RKY_VALKEY_ERROR_MAX = 512,
};
/** What a server stores under one key by default (proto-max-bulk-len), and some room around it. */
#define RKY_VALKEY_REPLY_MAX (((size_t)512 << 20) + RKY_VALKEY_LINE_MAX)

/* --- errors ----------------------------------------------------------------------------------- */

/** @brief Record a failed attempt in both places. @return @p code. */
int rky_valkey_fail(struct rky_error *err, struct rky_attempt *ret_attempt, enum rky_err code,
                    const struct rky_attempt *attempt, const char *format, ...) RKY_PRINTF(5, 6);
/** A fault of the way to the server: retried, counted. */
#define RKY_VALKEY_TRANSIENT(class_) \
    (&(struct rky_attempt){.error_class = (class_), .retry = RKY_RETRY_YES, .counts = true})
/** Somebody has to act first. */
#define RKY_VALKEY_PERMANENT(class_) (&(struct rky_attempt){.error_class = (class_)})

/* --- socket and TLS --------------------------------------------------------------------------- */

struct addrinfo;
/** @brief getaddrinfo() that does not outlive the deadline. @param ret_list for freeaddrinfo(). */
RKY_MUST_CHECK int rky_valkey_resolve(const struct rky_valkey_url *url,
                                      struct rky_deadline deadline, struct addrinfo **ret_list,
                                      struct rky_attempt *ret_attempt, struct rky_error *err);
/** @brief A connected non-blocking socket. */
RKY_MUST_CHECK int rky_valkey_socket_open(const struct rky_valkey_url *url,
                                          struct rky_deadline deadline, int *ret_fd,
                                          struct rky_attempt *ret_attempt, struct rky_error *err);
/** @brief Wait for POLLIN or POLLOUT. @return > 0 ready, 0 time is up. */
int rky_valkey_poll(int fd, short events, const struct rky_deadline *deadline);

struct rky_valkey_tls_files {
    const char *ca_file, *cert_file, *key_file;
};
/** One step of input or output over TLS. */
enum rky_valkey_step {
    RKY_STEP_DONE,   /**< bytes moved */
    RKY_STEP_READ,   /**< poll for POLLIN, then again */
    RKY_STEP_WRITE,  /**< poll for POLLOUT, then again */
    RKY_STEP_END,    /**< the peer closed */
    RKY_STEP_FAILED, /**< err says why */
};
/** @brief Certificates read now, so that rotated ones are taken. @param url for names and errors.
 *  @param ret_context for SSL_CTX_free(). @return 0; RKY_ERR_CONFIG; RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_valkey_tls_context(const struct rky_valkey_url *url,
                                          const struct rky_valkey_tls_files *files,
                                          SSL_CTX **ret_context, struct rky_attempt *ret_attempt,
                                          struct rky_error *err);
/** A TLS session over a socket. Zeroed = none. */
struct rky_valkey_tls {
    SSL *ssl;
    BIO_METHOD *method; /**< how it reaches the socket; outlives it */
};
/** @brief A session over @p fd (borrowed) that will verify the server's name. */
RKY_MUST_CHECK int rky_valkey_tls_new(SSL_CTX *context, const struct rky_valkey_url *url, int fd,
                                      struct rky_valkey_tls *ret_tls, struct rky_error *err);
void rky_valkey_tls_done(struct rky_valkey_tls *tls);
enum rky_valkey_step rky_valkey_tls_handshake(struct rky_valkey_tls *tls,
                                              const struct rky_valkey_url *url,
                                              struct rky_attempt *ret_attempt,
                                              struct rky_error *err);
enum rky_valkey_step rky_valkey_tls_read(struct rky_valkey_tls *tls,
                                         const struct rky_valkey_url *url, void *buffer,
                                         size_t size, size_t *ret_count,
                                         struct rky_attempt *ret_attempt, struct rky_error *err);
enum rky_valkey_step rky_valkey_tls_write(struct rky_valkey_tls *tls,
                                          const struct rky_valkey_url *url, const void *bytes,
                                          size_t length, size_t *ret_count,
                                          struct rky_attempt *ret_attempt, struct rky_error *err);

/* --- stream ----------------------------------------------------------------------------------- */

struct rky_valkey_stream {
    const struct rky_valkey_url *url; /**< borrowed */
    int fd;
    struct rky_valkey_tls tls; /**< none = plain */
};
/** @brief Connect, and speak TLS where the URL says so. */
RKY_MUST_CHECK int rky_valkey_stream_open(const struct rky_valkey_url *url,
                                          const struct rky_valkey_tls_files *files,
                                          struct rky_deadline deadline,
                                          struct rky_valkey_stream *ret_stream,
                                          struct rky_attempt *ret_attempt, struct rky_error *err);
void rky_valkey_stream_close(struct rky_valkey_stream *stream);
RKY_MUST_CHECK int rky_valkey_stream_write(struct rky_valkey_stream *stream, const void *bytes,
                                           size_t length, struct rky_deadline deadline,
                                           struct rky_attempt *ret_attempt, struct rky_error *err);
/** @brief At least one byte. The end of the stream is an error, class "reset". */
RKY_MUST_CHECK int rky_valkey_stream_read(struct rky_valkey_stream *stream, void *buffer,
                                          size_t size, struct rky_deadline deadline,
                                          size_t *ret_count, struct rky_attempt *ret_attempt,
                                          struct rky_error *err);
/** @brief Whether an idle stream is still open and has nothing to say. */
bool rky_valkey_stream_quiet(struct rky_valkey_stream *stream);

/* --- reader ----------------------------------------------------------------------------------- */

/** Bytes to replies, every size bounded. */
struct rky_valkey_reader {
    redisReader *hiredis;
    redisReplyObjectFunctions functions;
    size_t elements;                  /* of the reply that is being read */
    const char *fault;                /* what was wrong with it, NULL = nothing of ours */
    bool no_memory;                   /* of the reply that is being read */
    bool has_error;                   /* it holds an error reply, */
    char error[RKY_VALKEY_ERROR_MAX]; /* the first of which is this */
};
RKY_MUST_CHECK int rky_valkey_reader_init(struct rky_valkey_reader *reader, struct rky_error *err);
void rky_valkey_reader_done(struct rky_valkey_reader *reader);
RKY_MUST_CHECK int rky_valkey_reader_feed(struct rky_valkey_reader *reader, const void *bytes,
                                          size_t length, struct rky_error *err);
/** @brief The next whole reply, if there is one.
 *  @return 0 with @p ret_found; RKY_ERR_DECODE (not the protocol, or out of bounds: drop the
 *          connection); RKY_ERR_NOMEM. An error reply sets reader->has_error and reader->error. */
RKY_MUST_CHECK int rky_valkey_reader_next(struct rky_valkey_reader *reader, bool *ret_found,
                                          struct rky_valkey_reply *ret_reply,
                                          struct rky_error *err);
/** @brief Whether bytes are left that no reply has used. */
bool rky_valkey_reader_pending(const struct rky_valkey_reader *reader);

/* --- connection ------------------------------------------------------------------------------- */

struct rky_valkey_connection {
    struct rky_valkey_stream stream;
    struct rky_valkey_reader reader;
    int64_t idle_since_ms;              /**< monotonic */
    struct rky_valkey_connection *next; /**< idle list */
};
/** @brief Connect and log in. */
RKY_MUST_CHECK int rky_valkey_connection_open(struct rky_valkey *valkey,
                                              struct rky_deadline deadline,
                                              struct rky_valkey_connection **ret_connection,
                                              struct rky_attempt *ret_attempt,
                                              struct rky_error *err);
void rky_valkey_connection_close(struct rky_valkey_connection *connection);
/** @brief Send a formatted command. */
RKY_MUST_CHECK int rky_valkey_connection_send(struct rky_valkey_connection *connection,
                                              const char *bytes, size_t length,
                                              struct rky_deadline deadline,
                                              struct rky_attempt *ret_attempt,
                                              struct rky_error *err);
/** @brief Wait for one reply. An error reply is success here: connection->reader.has_error. */
RKY_MUST_CHECK int rky_valkey_connection_receive(struct rky_valkey_connection *connection,
                                                 struct rky_deadline deadline,
                                                 struct rky_valkey_reply *ret_reply,
                                                 struct rky_attempt *ret_attempt,
                                                 struct rky_error *err);

/* --- client ----------------------------------------------------------------------------------- */

const struct rky_valkey_url *rky_valkey_url(const struct rky_valkey *valkey);
const struct rky_valkey_tls_files *rky_valkey_files(const struct rky_valkey *valkey);
struct rky_clock *rky_valkey_clock(const struct rky_valkey *valkey);

/** @brief A command in wire form. @param ret_bytes for free(). */
RKY_MUST_CHECK int rky_valkey_format(const struct rky_valkey_arg *args, size_t count,
                                     char **ret_bytes, size_t *ret_length, struct rky_error *err);
/** @brief An error reply as a failed attempt. */
int rky_valkey_refused(const struct rky_valkey *valkey, const char *error_reply,
                       struct rky_attempt *ret_attempt, struct rky_error *err);
/**
 * @brief Subscribe to a channel on a connection of its own and wait for one message.
 * @param ready called once the subscription stands: what happens from then on will be heard. Its
 *        answer true ends the waiting at once.
 */
void rky_valkey_listen(struct rky_valkey *valkey, const char *channel, int64_t wait_ms,
                       const _Atomic bool *stop, bool (*ready)(void *context), void *context);

/** @brief All objects whose key begins like this, by the rest of their keys. */
RKY_MUST_CHECK int rky_valkey_list(struct rky_valkey *valkey, const char *key_prefix,
                                   struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                                   struct rky_error *err);

#endif
