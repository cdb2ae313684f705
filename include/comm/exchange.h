/// Point-to-point messages in flight, and the small all-to-all that announces their sizes.
#pragma once
#include "comm/comm.h"

typedef struct Exchange Exchange;

/// Local. On a communicator of one rank it carries nothing. Has room for this many messages at
/// once, and allocates for more. The caller owns it (`exchange_free`). Reused from step to step.
Exchange *exchange_new(const Comm *comm, int messages);
void exchange_free(Exchange *exchange); ///< NULL-safe

/// Local. Starts a message; the memory stays untouched until `exchange_finish`. Messages between
/// two ranks match by tag, then in the order they were started. Both sides must agree on `bytes`;
/// none is sent for 0 bytes.
void exchange_send(Exchange *exchange, const void *data, size_t bytes, int to, int tag);
void exchange_receive(Exchange *exchange, void *data, size_t bytes, int from, int tag);
/// Local. Lets messages move: no thread does so while the program computes. True if all of them
/// have arrived, as after `exchange_finish`.
bool exchange_test(Exchange *exchange);
/// Collective over the ranks that started messages with each other: waits for all of them.
COLLECTIVE
void exchange_finish(Exchange *exchange);
/// Local. As `exchange_finish`, of messages that the other sides have started by now.
void exchange_await(Exchange *exchange);

/// Collective. Gives rank r mine[r * count ...] and gets theirs[r * count ...] from it.
COLLECTIVE
void exchange_counts(const Comm *comm, int64_t *theirs, const int64_t *mine, int count);
