#include "token/pieces.h"
#include "base/mem.h"

void pieces_reserve(Pieces *pieces, size_t more)
{
    size_t need = pieces->count + more;
    if (need <= pieces->capacity) return;
    pieces->capacity = 2 * need;
    pieces->ids = mem_resize(pieces->ids, pieces->capacity, sizeof *pieces->ids);
    pieces->starts = mem_resize(pieces->starts, pieces->capacity, sizeof *pieces->starts);
    pieces->ends = mem_resize(pieces->ends, pieces->capacity, sizeof *pieces->ends);
}

void pieces_release(Pieces *pieces)
{
    mem_free(pieces->ends);
    mem_free(pieces->starts);
    mem_free(pieces->ids);
    *pieces = (Pieces){ 0 };
}
