#include "sim/wire.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <simgrid/s4u.hpp>
#include <unordered_map>
#include <vector>

namespace s4u = simgrid::s4u;

namespace {

const double wire_bytes_s = 0.97 * 12.5e9; ///< of tests/sim/platform and run
const int wire_short_bytes = 24 << 10; ///< shorter ones take less time than latency, and no queue

/// Of both sides.
struct Message {
    const void *data;
    void *place;
    int bytes;
    bool is_send;         ///< of the side that came first
    int holders;          ///< requests
    void *copy = nullptr; ///< of data that the sender may change before there is a receiver
    int from = 0, to = 0; ///< nodes, once both sides are there
    double since_s = 0;   ///< they are
    double latency_s = 0;
    s4u::CommPtr flow = nullptr; ///< null: one side is missing, or it is queued
    s4u::Semaphore *waits = nullptr,
                   *also = nullptr; ///< the one waits for the flow to begin and end
    Message *next = nullptr;        ///< between the same two, of the same tag
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

/// Links of a way, as indices of Wire.ports.
struct Way {
    int count = 0;
    short ports[8];
};

/// A link in one direction.
struct Port {
    struct Waiting {
        Message *message;
        Way way;
    };
    int busy; ///< messages on it
    std::vector<Waiting> queue;
};

/// One for all ranks, which are threads of one process, each with globals of its own.
struct Wire {
    std::vector<int> nodes;         ///< (ranks of the world)
    std::vector<s4u::Host *> hosts; ///< (nodes)
    std::unordered_map<Key, Pending, Hash> pending;
    int at_once; ///< messages on a link, others queue up; 0: any
    std::vector<Port> ports;
    std::unordered_map<s4u::Link *, int> port_of;
    std::unordered_map<const void *, Way> moving; ///< by SimGrid's activity
    std::vector<Way> ended;
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

/// Also its latency.
Way find_way(double *latency_s, int from, int to)
{
    Way way;
    std::vector<s4u::Link *> links;
    *latency_s = 0;
    wire->hosts[from]->route_to(wire->hosts[to], links, latency_s);
    if (links.size() > sizeof way.ports / sizeof *way.ports) abort();
    for (s4u::Link *link : links) {
        auto [port, is_new] = wire->port_of.emplace(link, wire->ports.size());
        if (is_new) wire->ports.push_back({});
        way.ports[way.count++] = static_cast<short>(port->second);
    }
    return way;
}

bool is_free(const Way &way)
{
    for (int i = 0; i < way.count; i++)
        if (wire->ports[way.ports[i]].busy >= wire->at_once) return false;
    return true;
}

/// Without a way, on links that it does not keep from others.
void begin(Message *message, const Way &way)
{
    // one that queued has its latency behind it
    double waited_s = std::min(s4u::Engine::get_clock() - message->since_s, message->latency_s);
    double bytes = std::max(message->bytes - waited_s * wire_bytes_s, 1.);
    *holds_flow = true;
    s4u::CommPtr flow = s4u::Comm::sendto_init();
    *holds_flow = false;
    flow->set_payload_size(static_cast<uint64_t>(bytes));
    for (int i = 0; i < way.count; i++) wire->ports[way.ports[i]].busy++;
    if (way.count) wire->moving[flow->get_impl()] = way;
    flow->set_source(wire->hosts[message->from])
        ->set_destination(wire->hosts[message->to]); // starts
    message->flow = flow;                            // only now: to test one starts it
    if (message->waits) message->waits->release();
}

void start(Message *message, int from, int to)
{
    // from now on neither side may touch its memory, so it may move at once
    if (message->data && message->place) memcpy(message->place, message->data, message->bytes);
    free(message->copy);
    message->copy = nullptr;
    message->from = from;
    message->to = to;
    message->since_s = s4u::Engine::get_clock();
    Way way;
    if (wire->at_once && from != to && message->bytes >= wire_short_bytes)
        way = find_way(&message->latency_s, from, to);
    if (is_free(way))
        begin(message, way);
    else
        for (int i = 0; i < way.count; i++)
            wire->ports[way.ports[i]].queue.push_back({ message, way });
}

void leave(Port &port, const Message *message)
{
    auto is = [=](const Port::Waiting &waiting) { return waiting.message == message; };
    port.queue.erase(std::find_if(port.queue.begin(), port.queue.end(), is));
}

/// Begins what the link can take, the oldest first whose other links are free.
void serve(int index)
{
    while (wire->ports[index].busy < wire->at_once) {
        std::vector<Port::Waiting> &queue = wire->ports[index].queue;
        auto found = std::find_if(queue.begin(), queue.end(), [](const Port::Waiting &waiting) {
            return is_free(waiting.way);
        });
        if (found == queue.end()) return;
        Port::Waiting next = *found;
        for (int i = 0; i < next.way.count; i++)
            leave(wire->ports[next.way.ports[i]], next.message);
        begin(next.message, next.way);
    }
}

/// Of any flow that ends.
void note_end(const simgrid::kernel::resource::Action &action)
{
    if (action.get_state() != simgrid::kernel::resource::Action::State::FINISHED) return;
    auto found = wire->moving.find(action.get_activity());
    if (found == wire->moving.end()) return;
    wire->ended.push_back(found->second);
    wire->moving.erase(found);
}

/// Links that got free are served when all that ends at a time has ended.
void serve_all(double)
{
    std::vector<Way> ended;
    ended.swap(wire->ended);
    for (const Way &way : ended)
        for (int i = 0; i < way.count; i++) wire->ports[way.ports[i]].busy--;
    for (const Way &way : ended)
        for (int i = 0; i < way.count; i++) serve(way.ports[i]);
}

void release(Message *message, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    if (!--message->holders) delete message;
}

/// The queues before links, if the environment wants them.
void start_queues()
{
    const char *at_once = getenv("MESSAGES_AT_ONCE");
    wire->at_once = at_once ? atoi(at_once) : 0;
    if (!wire->at_once) return;
    // an action of the network, of which SimGrid's headers say no more than that
    s4u::Link::on_communication_state_change_cb([](simgrid::kernel::resource::NetworkAction &action,
                                                   simgrid::kernel::resource::Action::State) {
        note_end(reinterpret_cast<simgrid::kernel::resource::Action &>(action));
    });
    s4u::Engine::on_time_advance_cb(serve_all);
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
        wire = new Wire{};
        wire->nodes.resize(size);
        start_queues();
    }
    MPI_Bcast(&wire, sizeof wire, MPI_BYTE, 0, MPI_COMM_WORLD);
    static bool without;
    holds_flow = static_cast<bool *>(dlsym(RTLD_DEFAULT, "wire_holds_flow"));
    if (!holds_flow) holds_flow = &without; // slower, with the same results
    bell = s4u::Semaphore::create(0);
    s4u::Host *host = s4u::this_actor::get_host();
    auto known = std::find(wire->hosts.begin(), wire->hosts.end(), host);
    wire->nodes[rank] = static_cast<int>(known - wire->hosts.begin());
    if (known == wire->hosts.end()) wire->hosts.push_back(host);
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
    auto *own = new Message{ data, nullptr, bytes, true, eager ? 1 : 2 };
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
        start(message, wire->nodes[side.world[side.rank]], wire->nodes[side.world[to]]);
}

void wire_receive(void *place, int bytes, int from, int tag, MPI_Comm comm, MPI_Request *request)
{
    const Side &side = side_of(comm);
    auto *own = new Message{ nullptr, place, bytes, false, 2 };
    Message *message = meet({ side.context, from, side.rank, tag }, own);
    *request = reinterpret_cast<MPI_Request>(message ? message : own);
    if (!message) return;
    delete own;
    message->place = place;
    start(message, wire->nodes[side.world[from]], wire->nodes[side.world[side.rank]]);
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
