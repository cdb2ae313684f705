/// Products of matrices that several ranks have between them.
#pragma once
#include "linalg/dmat.h"

/// Which operand is transposed. With x (tokens, in), w (in, out) and y (tokens, out) of a layer:
/// PGEMM_NN y = x w, PGEMM_NT dx = dy w', PGEMM_TN dw = x' dy.
typedef enum { PGEMM_NN, PGEMM_NT, PGEMM_TN } PgemmKind;

/// native: own messages and local products. An operand is gathered along its grid row or column,
/// or a result is summed along it: SUMMA with one panel, which on a 1 x C grid is a column parallel
/// (NN) or row parallel (NT) product and touches no weights. scalapack: psgemm of PBLAS, in panels
/// of `pgemm_panel` columns and on one thread.
typedef enum { PGEMM_NATIVE, PGEMM_SCALAPACK } PgemmBackend;

/// Collective over the matrices' grid. c = a b with what `kind` says transposed. Shapes fit, all on
/// one grid; c is none of the others.
COLLECTIVE
void pgemm(Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind, PgemmBackend backend);

/// Columns of a panel of the scalapack backend, 256 at first: PBLAS asks for it by a function that
/// this program defines instead of its own, which says 32. The same on all ranks.
extern int pgemm_panel;

/// What the native backend has sent from this rank.
typedef struct {
    int64_t messages, bytes;
} PgemmTraffic;
extern PgemmTraffic pgemm_traffic;
/// Local. What it sends from this rank for one product, by the shapes.
PgemmTraffic pgemm_predict(const Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind);
