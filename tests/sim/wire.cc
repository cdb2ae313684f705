#include "sim/wire.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <simgrid/s4u.hpp>
#include <unordered_map>
#include <vector>

namespace s4u = simgrid::s4u;

namespace {

/// Of both sides.
struct Message {
    const void *data;
    void *place, *copy; ///< copy: of data that the sender may change before there is a receiver
    int bytes;
    bool is_send;                 ///< of the side that came first
    int holders;                  ///< requests
    s4u::CommPtr flow;            ///< null: one side is missing
    s4u::Semaphore *waits, *also; ///< the one waits for the flow, or for the other side
    Message *next;                ///< between the same two, of the same tag
};

struct Key {
    int context, from, to, tag;
    bool operator==(const Key &other) const
    {
        return context == other.context && from == other.from && to == other.to && tag == other.tag;
    }
};

struct Hash {
    size_t operator()(const Key &key) const
    {
        size_t hash = 0;
        for (int part : { key.context, key.from, key.to, key.tag })
            hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
        return hash ^ hash >> 29;
    }
};

struct Pending {
    Message *first, *last; ///< of one side
};

/// A communicator as its ranks see it.
struct Side {
    int context; ///< the communicator, as all of its ranks know it
    int rank;
    std::vector<int> world; ///< ranks there
};

/// One for all ranks, which are threads of one process, each with globals of its own.
struct Wire {
    std::vector<s4u::Host *> hosts; ///< (ranks of the world)
    std::unordered_map<Key, Pending, Hash> pending;
};

Wire *wire;
std::unordered_map<MPI_Comm, Side> sides;
bool *holds_flow;       ///< of detach.cc
s4u::SemaphorePtr bell; ///< of this rank, which waits for one thing at a time

const Side &side_of(MPI_Comm comm)
{
    auto found = sides.find(comm);
    if (found != sides.end()) return found->second;
    fprintf(stderr, "a message on a communicator that wire_join has not seen\n");
    abort();
}

/// The message of the other side that this one meets; null: it waits for it, as its own.
Message *meet(const Key &key, Message *own)
{
    Pending &pending = wire->pending[key];
    if (!pending.first || pending.first->is_send == own->is_send) {
        (pending.first ? pending.last->next : pending.first) = own;
        pending.last = own;
        return nullptr;
    }
    Message *other = pending.first;
    pending.first = other->next;
    if (!pending.first) wire->pending.erase(key);
    if (other->bytes != own->bytes) {
        fprintf(stderr, "a message of %d bytes meets a receive of %d\n", other->bytes, own->bytes);
        abort();
    }
    return other;
}

void start(Message *message, s4u::Host *from, s4u::Host *to)
{
    // from now on neither side may touch its memory, so it may move at once
    if (message->data && message->place) memcpy(message->place, message->data, message->bytes);
    free(message->copy);
    message->copy = nullptr;
    *holds_flow = true;
    s4u::CommPtr flow = s4u::Comm::sendto_init();
    *holds_flow = false;
    flow->set_payload_size(message->bytes)->set_source(from)->set_destination(to); // it starts
    message->flow = flow; // only now: to test one starts it
    if (message->waits) message->waits->release();
}

void release(Message *message, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    if (!--message->holders) delete message;
}

Message *message_of(const MPI_Request *request)
{
    return reinterpret_cast<Message *>(*request);
}

} // namespace

void wire_start(void)
{
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (!rank) {
        wire = new Wire;
        wire->hosts.resize(size);
    }
    MPI_Bcast(&wire, sizeof wire, MPI_BYTE, 0, MPI_COMM_WORLD);
    static bool without;
    holds_flow = static_cast<bool *>(dlsym(RTLD_DEFAULT, "wire_holds_flow"));
    if (!holds_flow) holds_flow = &without; // slower, with the same results
    bell = s4u::Semaphore::create(0);
    wire->hosts[rank] = s4u::this_actor::get_host();
    wire_join(MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
}

void wire_join(MPI_Comm comm)
{
    static int joined;
    Side side;
    MPI_Group here, world;
    int size, rank, ranks;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_rank(comm, &side.rank);
    MPI_Comm_size(comm, &size);
    side.context = joined++ * ranks + rank; // its first rank's is used once
    MPI_Bcast(&side.context, 1, MPI_INT, 0, comm);
    MPI_Comm_group(comm, &here);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    std::vector<int> own(size);
    for (int i = 0; i < size; i++) own[i] = i;
    side.world.resize(size);
    MPI_Group_translate_ranks(here, size, own.data(), world, side.world.data());
    MPI_Group_free(&here);
    MPI_Group_free(&world);
    sides[comm] = side;
}

void wire_send(const void *data, int bytes, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
    const Side &side = side_of(comm);
    bool eager = bytes < wire_eager_bytes;
    auto *own = new Message{ data, nullptr, nullptr, bytes, true, eager ? 1 : 2 };
    Message *message = meet({ side.context, side.rank, to, tag }, own);
    if (message) {
        delete own;
        message->data = data;
        message->holders -= eager;
    } else {
        message = own;
        if (eager && data) own->data = own->copy = memcpy(malloc(bytes), data, bytes);
    }
    *request = eager ? MPI_REQUEST_NULL : reinterpret_cast<MPI_Request>(message);
    if (message != own)
        start(message, wire->hosts[side.world[side.rank]], wire->hosts[side.world[to]]);
}

void wire_receive(void *place, int bytes, int from, int tag, MPI_Comm comm, MPI_Request *request)
{
    const Side &side = side_of(comm);
    auto *own = new Message{ nullptr, place, nullptr, bytes, false, 2 };
    Message *message = meet({ side.context, from, side.rank, tag }, own);
    *request = reinterpret_cast<MPI_Request>(message ? message : own);
    if (!message) return;
    delete own;
    message->place = place;
    start(message, wire->hosts[side.world[from]], wire->hosts[side.world[side.rank]]);
}

int wire_test(MPI_Request *request)
{
    Message *message = message_of(request);
    if (!message) return 1;
    if (!message->flow || !message->flow->test()) return 0;
    release(message, request);
    return 1;
}

void wire_wait(MPI_Request *request)
{
    Message *message = message_of(request);
    if (!message) return;
    if (message->waits) { // a flow is waited for by one
        message->also = bell.get();
        bell->acquire();
    } else {
        message->waits = bell.get();
        while (!message->flow) bell->acquire();
        message->flow->wait();
        message->waits = nullptr;
        if (message->also) message->also->release();
    }
    release(message, request);
}
