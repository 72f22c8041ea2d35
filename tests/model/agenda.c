/*
 * What is to happen at which time: a heap. Of the same time what was asked for first comes first.
 */
#include <stdlib.h>

#include "model.h"

typedef struct item_t {
    apr_time_t at;
    apr_uint64_t order;
    act_fn *fn;
    void *arg;
} item_t;

static item_t *heap;
static int n, room;
static apr_uint64_t orders;

void agenda_reset(void)
{
    n = 0;
    orders = 0;
}

static int before(const item_t *a, const item_t *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void agenda_add(apr_time_t at, act_fn *fn, void *arg)
{
    item_t item = { at, orders++, fn, arg };
    int i, up;

    if (n == room) {
        room = room ? 2 * room : 1024;
        heap = realloc(heap, (size_t)room * sizeof(*heap));
        if (!heap) {
            abort();
        }
    }
    for (i = n++; i > 0 && before(&item, &heap[up = (i - 1) / 2]); i = up) {
        heap[i] = heap[up];
    }
    heap[i] = item;
}

static item_t pop(void)
{
    item_t top = heap[0], last = heap[--n];
    int i = 0, down;

    while ((down = 2 * i + 1) < n) {
        down += down + 1 < n && before(&heap[down + 1], &heap[down]);
        if (!before(&heap[down], &last)) {
            break;
        }
        heap[i] = heap[down];
        i = down;
    }
    heap[i] = last;
    return top;
}

apr_time_t agenda_next(void)
{
    return n ? heap[0].at : APR_INT64_MAX;
}

void agenda_run(apr_time_t now)
{
    while (n && heap[0].at <= now) {
        item_t item = pop();

        item.fn(item.arg);
    }
}
