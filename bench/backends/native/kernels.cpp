// A network as a table of nodes, run from the first to the last by a fixed team of threads.
//
// Maps are channels-last: image by image, row by row, pixel by pixel, the channels of a pixel side by side, `pitch`
// floats from pixel to pixel. Pitches are multiples of 8 (the one packed frame excepted), so that half a vector is the
// least that is ever written; what is read past a pixel is never kept. `compiled.py` fills the tables, and compiles
// this file for the machine it runs on.

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// In a C project (`c_project/`) each network has kernels of its own, so that a program can hold several.
#if defined(KERNELS_NAMESPACE)
namespace KERNELS_NAMESPACE {
#endif

#if defined(__AVX512F__)
constexpr int V = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int V = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int V = 4, REGISTERS = 32;
#else
constexpr int V = 4, REGISTERS = 16;
#endif

typedef float vec __attribute__((vector_size(4 * V)));
typedef int32_t ivec __attribute__((vector_size(4 * V)));
typedef float loose __attribute__((vector_size(4 * V), aligned(4), may_alias));
typedef float half __attribute__((vector_size(32), aligned(4), may_alias));

constexpr int MAX_TAPS = 8, MAX_ADDENDS = 4, MAX_OUTPUTS = 8, MAX_SEGMENTS = 512;

enum Kind : int32_t {
    PACK_PLANES, PACK_CHANNELS, DENSE, DEPTHWISE, SCALE, MEAN, POOL, SLIDE, UNPACK,
    GATHER, ELEMENTWISE, REDUCE, PRODUCT,  // plain: what no other one does
};
enum Activation : int32_t { NONE, RELU, SILU, SIGMOID, HARDSWISH, HARDSIGMOID, RELU6 };
enum Reduction : int32_t { AVERAGE, MAXIMUM, AVERAGE_INSIDE, SUM, MINIMUM };
enum Operation : int32_t {
    COPY, ADD, SUBTRACT, MULTIPLY, DIVIDE, LARGER, SMALLER, POWER,
    GREATER, LESS, GREATER_EQUAL, LESS_EQUAL, EQUAL, NOT_EQUAL, WHERE,
    NEGATE, ABSOLUTE, EXPONENTIAL, LOGARITHM, ROOT, TANH, ERF, SINE, COSINE, FLOOR, ROUND, TRUNCATE,
    EXPONENTIAL_LESS_ONE, LOGARITHM_OF_ONE_MORE,
};

// One call. Tensors are places of the table of addresses; unused fields are zero. `compiled.py` has the same fields.
struct Node {
    int32_t kind, activation, reduction;
    int32_t taps, addends, outputs;
    int32_t input[MAX_TAPS], shift[MAX_TAPS];  // frames of a clip by which a tap looks back or ahead
    int32_t addend[MAX_ADDENDS], addend_output[MAX_ADDENDS], output[MAX_OUTPUTS];
    int32_t batch, in_frames, out_frames, frame_stride;
    int32_t in_h, in_w, in_c, in_pitch, out_h, out_w, out_c, out_pitch;
    int32_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
    int32_t in_planes;  // whether the input lies in planes (batch, channels, frames, height, width)
    int32_t slots, dilation_t, position;  // of a window in time: its frames, and which is written next
    // Dense: (inner, out_c); depthwise: (outputs, taps x kernel_h x kernel_w, out_c). Of a plain kind the weight is a table
    // of int32, and the bias what constants it needs.
    const float *weight, *bias;
    float *packed_weight, *packed_bias;
    int32_t *offsets;  // of the inputs of a pixel in planes; else null
    const struct Region *ahead;
    int64_t aheads;
};

static inline vec load(const float *from) { return *(const loose *)from; }
static inline void store(float *to, vec value) { *(loose *)to = value; }
static inline vec splat(float value) { return value - vec{}; }
static inline int ceiling(int a, int b) { return (a + b - 1) / b; }

// The first `count` floats of a vector; `count` is a multiple of 8, or at least V.
static inline void store_part(float *to, vec value, int count) {
    if (V <= 8 || count >= V) {
        store(to, value);
        return;
    }
    half low;
    memcpy(&low, &value, sizeof(half));
    *(half *)to = low;
}

// Both hand on the second one if it is not a number.
static inline vec larger(vec a, vec b) { return a > b ? a : b; }
static inline vec smaller(vec a, vec b) { return a < b ? a : b; }

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2, and e^r by its Taylor series up to r^7 / 7!, whose rest is below half a
// unit in the last place.
static inline vec exponential(vec x) {
    x = smaller(splat(88.0f), larger(splat(-87.0f), x));
    const vec magic = splat(12582912.0f);  // 1.5 x 2^23: adding it rounds to an integer, which are the lowest bits
    const vec rounded = x * 1.44269504f + magic;
    const vec n = rounded - magic;
    const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first one exact
    vec y = splat(1.0f / 5040);
    y = y * r + 1.0f / 720;
    y = y * r + 1.0f / 120;
    y = y * r + 1.0f / 24;
    y = y * r + 1.0f / 6;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    const ivec exponent = ((ivec)rounded - (ivec)magic + 127) << 23;  // g++ converts vectors from 9 on only
    return y * (vec)exponent;
}

static inline vec sigmoid(vec x) { return 1.0f / (1.0f + exponential(-x)); }

static inline vec hard(vec x, int activation) {
    const vec part = smaller(splat(6.0f), larger(vec{}, activation == RELU6 ? x : x + 3.0f));
    if (activation == RELU6) return part;
    return activation == HARDSWISH ? x * (part / 6.0f) : part / 6.0f;
}

// The hard ones stand apart: a switch over all of them becomes a table of jumps, which costs a step of CoX3D-M 1 %.
static inline vec activated(vec x, int activation) {
    if (activation >= HARDSWISH) return hard(x, activation);
    switch (activation) {
        case RELU: return larger(vec{}, x);
        case SILU: return x * sigmoid(x);
        case SIGMOID: return sigmoid(x);
        default: return x;
    }
}

template <int COUNT> static inline void activate(vec *x, int activation) {
    if (activation == NONE) return;
    if (activation == RELU) {
#pragma GCC unroll 32
        for (int i = 0; i < COUNT; ++i) x[i] = larger(vec{}, x[i]);
        return;
    }
    vec held[COUNT];  // a loop over a copy: else the sums themselves would lie in memory, and not in registers
#pragma GCC unroll 32
    for (int i = 0; i < COUNT; ++i) held[i] = x[i];
#pragma GCC unroll 1
    for (int i = 0; i < COUNT; ++i) held[i] = activated(held[i], activation);
#pragma GCC unroll 32
    for (int i = 0; i < COUNT; ++i) x[i] = held[i];
}

// -- the team -------------------------------------------------------------------------------------------------------

struct Range {
    int first, end;
};

static Range share(int total, int thread, int threads) {
    return {int((int64_t)total * thread / threads), int((int64_t)total * (thread + 1) / threads)};
}

using Clock = std::chrono::steady_clock;

// Where the threads of a team wait for each other. Mostly the others are a few microseconds behind, which is too short
// to sleep. If not, one has lost its core to other work, and whoever spins on keeps it from getting another. Where one is
// to come that was last seen on our own core, every turn is taken from it: then we sleep at once. But threads that sleep
// in turn look to the kernel as if one core were enough for both; so now and then we spin until it has looked, and moved
// one of them if another core is idle.
class Barrier {
  public:
    // How long to spin. Longer ones cost more beside a process that burns a core; with shorter ones threads of an idle
    // machine sleep that need not. Between two steps of a stream it is once a step, so it may be longer.
    static constexpr std::chrono::microseconds SHORT{50}, LONG{200};
    // More than one tick of the kernel's, and how seldom.
    static constexpr std::chrono::milliseconds TO_BE_MOVED{5}, EVERY{100};

    // How many threads wait for each other; before the first round ends, and once more only for fewer.
    void expect(int threads) {
        if (seen_.empty()) seen_ = std::vector<Seen>(threads);
        threads_.store(threads, std::memory_order_relaxed);
    }

    void wait(int thread, Clock::duration spinning = SHORT) {
        const int threads = threads_.load(std::memory_order_relaxed);
        if (threads == 1) return;
        const uint32_t round = round_.load(std::memory_order_relaxed) & ~ASLEEP;
        const uint32_t core = this_core();
        seen_[thread].round_and_core.store((uint64_t)round << 32 | core, std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            if (round_.exchange(round + NEXT, std::memory_order_acq_rel) & ASLEEP) wake();
            return;
        }
        if (came(round)) return;
        const auto begin = Clock::now();
        if (awaited_on(core, round, threads)) spinning = is_due(begin) ? TO_BE_MOVED : Clock::duration::zero();
        while (Clock::now() - begin < spinning)
            if (came(round)) return;
        while (is(round)) {
            uint32_t awake = round;
            const bool marked = round_.compare_exchange_strong(awake, round | ASLEEP, std::memory_order_acq_rel);
            if (marked || awake == (round | ASLEEP)) sleep(round | ASLEEP);
        }
    }

  private:
    // Where a thread came to the barrier last.
    struct alignas(64) Seen {
        std::atomic<uint64_t> round_and_core{~uint64_t(0)};
    };

    static constexpr int TURNS = 8;  // between two looks at the clock
    // The lowest bit of the word: whether somebody sleeps until it changes. The others count.
    static constexpr uint32_t ASLEEP = 1, NEXT = 2;

    bool is(uint32_t round) const { return (round_.load(std::memory_order_acquire) & ~ASLEEP) == round; }

    // Whether the last one of the round came while we spun.
    bool came(uint32_t round) const {
        for (int turn = 0; turn < TURNS; ++turn) {
            if (!is(round)) return true;
            pause();
        }
        return false;
    }

    // Whether a thread that is to come was last seen on that core.
    bool awaited_on(uint32_t core, uint32_t round, int threads) const {
        for (int thread = 0; thread < threads; ++thread) {
            const uint64_t seen = seen_[thread].round_and_core.load(std::memory_order_relaxed);
            if (uint32_t(seen >> 32) != round && uint32_t(seen) == core) return true;
        }
        return false;
    }

    // Whether it is time to spin until we are moved.
    bool is_due(Clock::time_point now) {
        if (now - moved_.load(std::memory_order_relaxed) < EVERY) return false;
        moved_.store(now, std::memory_order_relaxed);
        return true;
    }

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

#if defined(__linux__)
    static uint32_t this_core() { return uint32_t(sched_getcpu()); }
    // Until somebody wakes us, if the word still has that value; it may also return for no reason.
    void sleep(uint32_t value) { syscall(SYS_futex, &round_, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }
    void wake() { syscall(SYS_futex, &round_, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }
#else
    static uint32_t this_core() {
        static std::atomic<uint32_t> count{0};  // unknown: as if each had its own
        thread_local const uint32_t own = count++;
        return own;
    }
    void sleep(uint32_t) { std::this_thread::sleep_for(std::chrono::microseconds(50)); }
    void wake() {}
#endif

    std::atomic<int> threads_{1};
    std::vector<Seen> seen_;
    std::atomic<Clock::time_point> moved_{Clock::time_point()};
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> round_{0};
    static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the kernel looks at the word itself");
};

struct Team {
    int thread, threads;
    float *const *at;  // the table of addresses
    const float *zeros;
    float *scratch;
};

// -- what is read next --------------------------------------------------------------------------------------------------

// Memory that one of the next calls reads and that has been written long ago, if ever: state and weights, more than
// the caches hold.
struct Region {
    int32_t place;  // of the table of addresses, or below zero: `at` says where it lies
    const float *at;
    int64_t floats;
    bool whole;  // each thread reads all of it, and not its share only
};

// A thread's part of the regions, fetched piece by piece while it computes: a line of the cache for each row of weights
// that a tile goes through, which is about as fast as memory hands them out.
class Ahead {
  public:
    static constexpr int LINE = 16;  // floats

    Ahead(const Node &node, const Team &team) : next_(node.ahead), end_(node.ahead + node.aheads), team_(team) { begin(); }

    // Where the next `lines` lines begin; null when all is fetched.
    const float *take(int lines) {
        const float *from = at_;
        if (from && (at_ += (int64_t)lines * LINE) >= stop_) {
            ++next_;
            begin();
        }
        return from;
    }

  private:
    void begin() {
        at_ = nullptr;
        if (next_ >= end_) return;
        const int64_t floats = next_->whole ? next_->floats : next_->floats / team_.threads;
        at_ = (next_->place < 0 ? next_->at : team_.at[next_->place]) + (next_->whole ? 0 : floats * team_.thread);
        stop_ = at_ + floats;
    }

    const Region *next_, *end_;
    const Team &team_;
    const float *at_ = nullptr, *stop_ = nullptr;
};

// -- matrix products, and convolutions as such ------------------------------------------------------------------------

// What is done with the sums of a tile before they are written.
struct Ending {
    float *out;  // of the tile's first pixel and channel
    const float *addend[MAX_ADDENDS];
    int addends, activation, pitch, channels;  // floats from pixel to pixel; how many are written
    const float *ahead;  // what is fetched meanwhile, if anything
};

// PIXELS x (VECTORS x V) sums. `rows` has, segment by segment, where the pixels' inputs begin; all are `length` long.
// With OFFSETS there is one segment, whose inputs lie `offsets` from there.
template <int PIXELS, int VECTORS, bool OFFSETS>
static void tile(const float *const *rows, const int32_t *offsets, int segments, int length, const float *weight,
                 const float *bias, const Ending &ending) {
    vec sum[PIXELS][VECTORS];
#pragma GCC unroll 32
    for (int i = 0; i < PIXELS; ++i)
#pragma GCC unroll 32
        for (int j = 0; j < VECTORS; ++j) sum[i][j] = load(bias + j * V);
    const float *ahead = ending.ahead ? ending.ahead : weight;
    const int64_t step = ending.ahead ? Ahead::LINE : 0;  // without a branch: what is there already costs no more
    for (int s = 0; s < (OFFSETS ? 1 : segments); ++s) {
        const float *a[PIXELS];
#pragma GCC unroll 32
        for (int i = 0; i < PIXELS; ++i) a[i] = rows[s * PIXELS + i];
#pragma GCC unroll 1
        for (int k = 0; k < length; ++k) {
            const int64_t at = OFFSETS ? offsets[k] : k;
            __builtin_prefetch(ahead, 0, 2);
            ahead += step;
            vec b[VECTORS];
#pragma GCC unroll 32
            for (int j = 0; j < VECTORS; ++j) b[j] = *(const vec *)(weight + j * V);
            weight += VECTORS * V;
#pragma GCC unroll 32
            for (int i = 0; i < PIXELS; ++i) {
                const vec x = splat(a[i][at]);
#pragma GCC unroll 32
                for (int j = 0; j < VECTORS; ++j) sum[i][j] += x * b[j];
            }
        }
    }
    for (int q = 0; q < ending.addends; ++q)
#pragma GCC unroll 32
        for (int i = 0; i < PIXELS; ++i)
#pragma GCC unroll 32
            for (int j = 0; j < VECTORS; ++j) sum[i][j] += load(ending.addend[q] + i * ending.pitch + j * V);
    activate<PIXELS * VECTORS>(sum[0], ending.activation);
#pragma GCC unroll 32
    for (int i = 0; i < PIXELS; ++i)
#pragma GCC unroll 32
        for (int j = 0; j < VECTORS; ++j)
            store_part(ending.out + i * ending.pitch + j * V, sum[i][j], ending.channels - j * V);
}

using TileCall = void (*)(const float *const *, const int32_t *, int, int, const float *, const float *,
                          const Ending &);

// As many sums as fit into the registers, beside a row of weights and one input.
constexpr int MAX_VECTORS = REGISTERS == 32 ? 4 : 2;
constexpr int MAX_PIXELS = REGISTERS == 32 ? 8 : 6;
static int pixels_at_once(int vectors) {
    return REGISTERS == 32 ? (vectors == 4 ? 6 : 8) : (vectors == 2 ? 6 : 6);
}

template <int VECTORS, bool OFFSETS> static TileCall tile_of(int pixels) {
    static constexpr TileCall calls[] = {tile<1, VECTORS, OFFSETS>, tile<2, VECTORS, OFFSETS>,
                                         tile<3, VECTORS, OFFSETS>, tile<4, VECTORS, OFFSETS>,
                                         tile<5, VECTORS, OFFSETS>, tile<6, VECTORS, OFFSETS>,
                                         tile<7, VECTORS, OFFSETS>, tile<8, VECTORS, OFFSETS>};
    return calls[pixels - 1];
}

template <bool OFFSETS> static TileCall tile_of(int pixels, int vectors) {
    switch (vectors) {
        case 1: return tile_of<1, OFFSETS>(pixels);
        case 2: return tile_of<2, OFFSETS>(pixels);
        case 3: return tile_of<3, OFFSETS>(pixels);
        default: return tile_of<4, OFFSETS>(pixels);
    }
}

// Tiles of columns: as even as whole vectors allow.
struct Columns {
    int tiles, vectors;
    explicit Columns(int channels) : vectors(ceiling(channels, V)) { tiles = ceiling(vectors, MAX_VECTORS); }
    int first(int tile) const { return tile * vectors / tiles; }
    int width(int tile) const { return first(tile + 1) - first(tile); }
};

// Addresses of the inputs of `count` output pixels from `pixel` on.
static void find_rows(const Node &node, const Team &team, int pixel, int count, const float **rows) {
    const int columns = node.kernel_w, frames = node.out_frames, padding_h = node.padding_h, padding_w = node.padding_w;
    int x = pixel % node.out_w, y = pixel / node.out_w % node.out_h, image = pixel / (node.out_w * node.out_h);
    for (int i = 0; i < count; ++i) {
        const float **row = rows + i;
        const int frame = frames == 1 ? 0 : image % frames, element = frames == 1 ? image : image / frames;
        for (int tap = 0; tap < node.taps; ++tap) {
            const int in_frame = frame * node.frame_stride + node.shift[tap];
            const bool in_clip = in_frame >= 0 && in_frame < node.in_frames;
            const float *map = team.at[node.input[tap]] + ((int64_t)element * node.in_frames + in_frame) * node.in_h *
                                                              node.in_w * node.in_pitch;
            for (int ky = 0; ky < node.kernel_h; ++ky) {
                const int in_y = y * node.stride_h + ky * node.dilation_h - padding_h;
                const bool in_column = in_clip && in_y >= 0 && in_y < node.in_h;
                for (int kx = 0; kx < columns; ++kx, row += count) {
                    const int in_x = x * node.stride_w + kx * node.dilation_w - padding_w;
                    const bool inside = in_column && in_x >= 0 && in_x < node.in_w;
                    *row = inside ? map + ((int64_t)in_y * node.in_w + in_x) * node.in_pitch : team.zeros;
                }
            }
        }
        if (++x == node.out_w) {
            x = 0;
            if (++y == node.out_h) y = 0, ++image;
        }
    }
}

// The same in planes, which have their border around them: where the first of the inputs lies.
static void find_corners(const Node &node, const Team &team, int pixel, int count, const float **rows) {
    const int64_t image_floats = (int64_t)node.in_h * node.in_w, element_floats = image_floats * node.in_frames * node.in_c;
    int x = pixel % node.out_w, y = pixel / node.out_w % node.out_h, image = pixel / (node.out_w * node.out_h);
    for (int i = 0; i < count;) {
        const float *row = team.at[node.input[0]] + image / node.out_frames * element_floats +
                           image % node.out_frames * node.frame_stride * image_floats +
                           (int64_t)y * node.stride_h * node.in_w;
        for (; i < count && x < node.out_w; ++i, ++x) rows[i] = row + x * node.stride_w;
        x = 0;
        if (++y == node.out_h) y = 0, ++image;
    }
}

static void dense(const Node &node, const Team &team) {
    const Columns columns(node.out_c);
    const int pixels = node.batch * node.out_frames * node.out_h * node.out_w;
    const bool planes = node.offsets != nullptr;
    const int segments = planes ? 1 : node.taps * node.kernel_h * node.kernel_w;
    const int length = planes ? node.taps * node.kernel_h * node.kernel_w * node.in_c : node.in_c;
    const int64_t inner = (int64_t)segments * length;
    const bool plain = !planes && segments == 1 && node.stride_h == 1 && node.stride_w == 1 &&
                       node.in_frames == node.out_frames && node.padding_h == 0 && node.padding_w == 0;
    // The threads share what is larger, the map or the weights: so each reads only its part of that.
    const bool by_pixels = pixels >= node.out_c || columns.tiles < team.threads;
    Range own = {0, pixels}, tiles = {0, columns.tiles};
    if (by_pixels) {
        const Range lines = share(pixels / node.out_w, team.thread, team.threads);
        own = {lines.first * node.out_w, lines.end * node.out_w};
    } else {
        tiles = share(columns.tiles, team.thread, team.threads);
    }
    const float *rows[MAX_PIXELS * MAX_SEGMENTS];
    const int blocks = ceiling(own.end - own.first, pixels_at_once(columns.width(columns.tiles - 1)));
    Ahead ahead(node, team);
    for (int block = 0; block < blocks; ++block) {
        const Range here = share(own.end - own.first, block, blocks);
        const int pixel = own.first + here.first, count = here.end - here.first;
        if (plain)
            for (int i = 0; i < count; ++i) rows[i] = team.at[node.input[0]] + (int64_t)(pixel + i) * node.in_pitch;
        else if (planes)
            find_corners(node, team, pixel, count, rows);
        else
            find_rows(node, team, pixel, count, rows);
        for (int t = tiles.first; t < tiles.end; ++t) {
            const int channel = columns.first(t) * V;
            const int64_t from = (int64_t)pixel * node.out_pitch + channel;
            Ending ending;
            ending.out = team.at[node.output[0]] + from;
            ending.addends = node.addends;
            for (int q = 0; q < node.addends; ++q) ending.addend[q] = team.at[node.addend[q]] + from;
            ending.activation = node.activation;
            ending.pitch = node.out_pitch;
            ending.channels = node.out_pitch - channel;
            ending.ahead = ahead.take(int(inner));
            const TileCall call = planes ? tile_of<true>(count, columns.width(t)) : tile_of<false>(count, columns.width(t));
            call(rows, node.offsets, segments, length, node.packed_weight + channel * inner, node.packed_bias + channel,
                 ending);
        }
    }
}

// -- depthwise convolutions -------------------------------------------------------------------------------------------

// Rows of the input that one row of the output looks at.
struct Lines {
    int count, channel;
    int64_t weight_offset;
    const float *input[MAX_TAPS * 8];   // of the row's first pixel
    const float *weight[MAX_TAPS * 8];  // of the first column of the kernel's row, V floats a column
    const float *below[MAX_TAPS * 8];   // the same for the row of the output below, if two are made at once
};

// Where the sums of a run of pixels go; offsets are those of its first pixel.
struct RunEnding {
    float *output[MAX_OUTPUTS];
    const float *addend[MAX_ADDENDS];
    int32_t addend_output[MAX_ADDENDS];
    const float *bias[MAX_OUTPUTS];
    int addends, activation, pitch, channels;
};

template <int PIXELS, int OUTPUTS> static inline void begin(vec (*sum)[PIXELS], const RunEnding &ending) {
#pragma GCC unroll 8
    for (int o = 0; o < OUTPUTS; ++o)
#pragma GCC unroll 8
        for (int i = 0; i < PIXELS; ++i) sum[o][i] = load(ending.bias[o]);
}

template <int PIXELS, int OUTPUTS>
static inline void end(vec (*sum)[PIXELS], const RunEnding &ending, int64_t at = 0) {
    for (int q = 0; q < ending.addends; ++q)
#pragma GCC unroll 8
        for (int o = 0; o < OUTPUTS; ++o)
            if (OUTPUTS == 1 || ending.addend_output[q] == o)
#pragma GCC unroll 8
                for (int i = 0; i < PIXELS; ++i) sum[o][i] += load(ending.addend[q] + at + i * ending.pitch);
    activate<PIXELS * OUTPUTS>(sum[0], ending.activation);
#pragma GCC unroll 8
    for (int o = 0; o < OUTPUTS; ++o)
#pragma GCC unroll 8
        for (int i = 0; i < PIXELS; ++i)
            store_part(ending.output[o] + at + i * ending.pitch, sum[o][i], ending.channels);
}

// A run of pixels by a kernel of three columns, which begins one column before its pixel. At the LEFT and the RIGHT end
// of a row one column lies outside, where it is padded.
template <int PIXELS, int STRIDE, bool LEFT, bool RIGHT, int OUTPUTS>
static void three_columns(const Lines &lines, int x, int pitch, int between_outputs, const RunEnding &ending) {
    vec sum[OUTPUTS][PIXELS];
    begin<PIXELS, OUTPUTS>(sum, ending);
    for (int r = 0; r < lines.count; ++r) {
        const float *input = lines.input[r] + lines.channel + (x * STRIDE - 1) * pitch;
        const float *weight = lines.weight[r] + lines.weight_offset;
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k) {
            vec w[OUTPUTS];
#pragma GCC unroll 8
            for (int o = 0; o < OUTPUTS; ++o) w[o] = *(const vec *)(weight + o * between_outputs + k * V);
#pragma GCC unroll 8
            for (int i = 0; i < PIXELS; ++i) {
                if ((LEFT && i == 0 && k == 0) || (RIGHT && i == PIXELS - 1 && k == 2)) continue;
                const vec value = load(input + (i * STRIDE + k) * pitch);
#pragma GCC unroll 8
                for (int o = 0; o < OUTPUTS; ++o) sum[o][i] += value * w[o];
            }
        }
    }
    end<PIXELS, OUTPUTS>(sum, ending);
}

// What a line of the input adds to the sums of one row of the output, or of two: each of its pixels is loaded once.
template <int PIXELS, bool LEFT, bool RIGHT, int ROWS>
static inline void add_line(vec (**sum)[PIXELS], const float *input, int pitch, const float *const *weight, int64_t from) {
    vec w[ROWS][3];
#pragma GCC unroll 2
    for (int o = 0; o < ROWS; ++o)
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k) w[o][k] = *(const vec *)(weight[o] + from + k * V);
#pragma GCC unroll 10
    for (int p = 0; p < PIXELS + 2; ++p) {
        if ((LEFT && p == 0) || (RIGHT && p == PIXELS + 1)) continue;
        const vec value = load(input + p * pitch);
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k)
            if (p >= k && p - k < PIXELS)
#pragma GCC unroll 2
                for (int o = 0; o < ROWS; ++o) (*sum[o])[p - k] += value * w[o][k];
    }
}

// A run of pixels of two rows, one below the other, by a kernel of 3 x 3: both look at most of its lines, which come
// from a core's second cache.
template <int PIXELS, bool LEFT, bool RIGHT>
static void two_rows(const Lines &lines, int x, int pitch, int below, const RunEnding &ending) {
    vec upper[1][PIXELS], lower[1][PIXELS];
    begin<PIXELS, 1>(upper, ending);
    begin<PIXELS, 1>(lower, ending);
    for (int r = 0; r < lines.count; ++r) {
        const float *input = lines.input[r] + lines.channel + (x - 1) * pitch;
        const float *weight[2] = {lines.weight[r], lines.below[r]};
        vec(*both[2])[PIXELS] = {upper, lower};
        if (weight[0] && weight[1])
            add_line<PIXELS, LEFT, RIGHT, 2>(both, input, pitch, weight, lines.weight_offset);
        else if (weight[0])
            add_line<PIXELS, LEFT, RIGHT, 1>(both, input, pitch, weight, lines.weight_offset);
        else
            add_line<PIXELS, LEFT, RIGHT, 1>(both + 1, input, pitch, weight + 1, lines.weight_offset);
    }
    end<PIXELS, 1>(upper, ending);
    end<PIXELS, 1>(lower, ending, below);
}

// The same by a kernel of one column.
template <int PIXELS> static void one_column(const Lines &lines, int x, int pitch, const RunEnding &ending) {
    vec sum[1][PIXELS];
    begin<PIXELS, 1>(sum, ending);
    for (int r = 0; r < lines.count; ++r) {
        const vec w = *(const vec *)(lines.weight[r] + lines.weight_offset);
#pragma GCC unroll 8
        for (int i = 0; i < PIXELS; ++i) sum[0][i] += load(lines.input[r] + lines.channel + (x + i) * pitch) * w;
    }
    end<PIXELS, 1>(sum, ending);
}

// One pixel by any kernel.
static void any_columns(const Node &node, const Lines &lines, int x, const RunEnding &ending) {
    vec sum[1][1];
    begin<1, 1>(sum, ending);
    for (int k = 0; k < node.kernel_w; ++k) {
        const int in_x = x * node.stride_w + k * node.dilation_w - node.padding_w;
        if (in_x < 0 || in_x >= node.in_w) continue;
        for (int r = 0; r < lines.count; ++r)
            sum[0][0] += load(lines.input[r] + lines.channel + in_x * node.in_pitch) *
                         *(const vec *)(lines.weight[r] + lines.weight_offset + k * V);
    }
    end<1, 1>(sum, ending);
}

using RunCall = void (*)(const Lines &, int, int, int, const RunEnding &);

template <int PIXELS, int STRIDE, int OUTPUTS> static RunCall run_of(bool left, bool right) {
    if (left)
        return right ? three_columns<PIXELS, STRIDE, true, true, OUTPUTS>
                     : three_columns<PIXELS, STRIDE, true, false, OUTPUTS>;
    return right ? three_columns<PIXELS, STRIDE, false, true, OUTPUTS>
                 : three_columns<PIXELS, STRIDE, false, false, OUTPUTS>;
}

template <int STRIDE, int OUTPUTS> static RunCall run_of(int pixels, bool left, bool right) {
    switch (pixels) {
        case 1: return run_of<1, STRIDE, OUTPUTS>(left, right);
        case 2: return run_of<2, STRIDE, OUTPUTS>(left, right);
        case 3: return run_of<3, STRIDE, OUTPUTS>(left, right);
        case 4: return run_of<4, STRIDE, OUTPUTS>(left, right);
        case 5: return run_of<5, STRIDE, OUTPUTS>(left, right);
        case 6: return run_of<6, STRIDE, OUTPUTS>(left, right);
        case 7: return run_of<7, STRIDE, OUTPUTS>(left, right);
        default: return run_of<8, STRIDE, OUTPUTS>(left, right);
    }
}

template <int PIXELS> static RunCall two_rows_of(bool left, bool right) {
    if (left) return right ? two_rows<PIXELS, true, true> : two_rows<PIXELS, true, false>;
    return right ? two_rows<PIXELS, false, true> : two_rows<PIXELS, false, false>;
}

static RunCall two_rows_of(int pixels, bool left, bool right) {
    switch (pixels) {
        case 1: return two_rows_of<1>(left, right);
        case 2: return two_rows_of<2>(left, right);
        case 3: return two_rows_of<3>(left, right);
        case 4: return two_rows_of<4>(left, right);
        case 5: return two_rows_of<5>(left, right);
        case 6: return two_rows_of<6>(left, right);
        case 7: return two_rows_of<7>(left, right);
        default: return two_rows_of<8>(left, right);
    }
}

static void one_column(int pixels, const Lines &lines, int x, int pitch, const RunEnding &ending) {
    switch (pixels) {
        case 1: return one_column<1>(lines, x, pitch, ending);
        case 2: return one_column<2>(lines, x, pitch, ending);
        case 3: return one_column<3>(lines, x, pitch, ending);
        case 4: return one_column<4>(lines, x, pitch, ending);
        case 5: return one_column<5>(lines, x, pitch, ending);
        case 6: return one_column<6>(lines, x, pitch, ending);
        case 7: return one_column<7>(lines, x, pitch, ending);
        default: return one_column<8>(lines, x, pitch, ending);
    }
}

constexpr int MAX_RUN = REGISTERS == 32 ? 8 : 4;

static void depthwise(const Node &node, const Team &team) {
    const int vectors = ceiling(node.out_c, V), height = node.batch * node.out_frames * node.out_h;
    const bool by_lines = height % team.threads == 0 || height >= 8 * team.threads || vectors < team.threads;
    const Range own = by_lines ? share(height, team.thread, team.threads) : Range{0, height};
    const Range blocks = by_lines ? Range{0, vectors} : share(vectors, team.thread, team.threads);
    const int columns = node.kernel_w, kernel = node.taps * node.kernel_h * columns;
    const bool one = columns == 1 && node.stride_w == 1 && node.padding_w == 0;
    const bool three = columns == 3 && node.dilation_w == 1 && node.padding_w <= 1 && node.stride_w <= 2 &&
                       (node.out_w - 1) * node.stride_w + 1 - node.padding_w < node.in_w;
    const bool right_outside = (node.out_w - 1) * node.stride_w + 2 - node.padding_w >= node.in_w;
    const int unpadded = three && !node.padding_w ? node.in_pitch : 0;  // without it a row begins one column later
    const int most = node.outputs > 1 ? 8 * MAX_RUN / 16 : MAX_RUN, runs = ceiling(node.out_w, most);
    RunEnding ending = {};
    ending.addends = node.addends;
    ending.activation = node.activation;
    ending.pitch = node.out_pitch;
    const bool pairs = three && node.outputs == 1 && node.stride_h == 1 && node.stride_w == 1 && node.kernel_h == 3 &&
                       node.dilation_h == 1;
    for (int at = own.first, rows; at < own.end; at += rows) {
        const int y = at % node.out_h, image = at / node.out_h, frame = image % node.out_frames;
        rows = pairs && at + 1 < own.end && y + 1 < node.out_h ? 2 : 1;
        Lines lines;
        lines.count = 0;
        const float *next[MAX_TAPS * 2];
        int newest = 0;
        for (int tap = 0; tap < node.taps; ++tap) {
            const int in_frame = frame * node.frame_stride + node.shift[tap];
            if (in_frame < 0 || in_frame >= node.in_frames) continue;
            const int64_t in_image = (int64_t)(image / node.out_frames) * node.in_frames + in_frame;
            const int last = (y + rows - 1) * node.stride_h + (node.kernel_h - 1) * node.dilation_h - node.padding_h;
            for (int l = 1; l <= rows * node.stride_h && l <= 2; ++l)
                next[newest++] = team.at[node.input[tap]] + (in_image * node.in_h + last + l) * node.in_w * node.in_pitch;
            for (int k = 0; k < node.kernel_h + rows - 1; ++k) {
                const int in_y = y * node.stride_h + k * node.dilation_h - node.padding_h;
                if (in_y < 0 || in_y >= node.in_h) continue;
                lines.input[lines.count] =
                    team.at[node.input[tap]] + (in_image * node.in_h + in_y) * node.in_w * node.in_pitch;
                const float *weight = node.packed_weight + (tap * node.kernel_h + k) * columns * V;
                lines.below[lines.count] = k > 0 ? weight - columns * V : nullptr;
                lines.weight[lines.count++] = k < node.kernel_h ? weight : nullptr;
            }
        }
        for (int run = 0; run < runs; ++run) {
            const Range here = share(node.out_w, run, runs);
            const int count = here.end - here.first;
            const bool left = run == 0 && node.padding_w, right = run == runs - 1 && right_outside;
            const int64_t pixel = ((int64_t)at * node.out_w + here.first) * node.out_pitch;
            for (int block = blocks.first; block < blocks.end; ++block) {
                const int64_t channel = block * V, from = pixel + channel;
                lines.channel = channel + unpadded;
                lines.weight_offset = channel * node.outputs * kernel;
                ending.channels = node.out_pitch - channel;
                for (int o = 0; o < node.outputs; ++o) {
                    ending.output[o] = team.at[node.output[o]] + from;
                    ending.bias[o] = node.packed_bias + (block * node.outputs + o) * V;
                }
                for (int q = 0; q < node.addends; ++q) {
                    ending.addend[q] = team.at[node.addend[q]] + from;
                    ending.addend_output[q] = node.addend_output[q];
                }
                // The next line looks at lines that nobody has read in this step, if they are of the state.
                for (int l = 0; l < newest; ++l)
                    for (int x = here.first * node.stride_w; x < here.end * node.stride_w; ++x)
                        __builtin_prefetch(next[l] + (int64_t)x * node.in_pitch + channel);
                for (int q = 0; q < node.addends; ++q)
                    for (int i = 0; i < count; ++i)
                        __builtin_prefetch(ending.addend[q] + ((int64_t)rows * node.out_w + i) * node.out_pitch);
                if (rows == 2) {
                    const RunCall call = two_rows_of(count, left, right);
                    call(lines, here.first, node.in_pitch, node.out_w * node.out_pitch, ending);
                } else if (three) {
                    const RunCall call = node.outputs == 3    ? run_of<2, 3>(count, left, right)
                                         : node.stride_w == 2 ? run_of<2, 1>(count, left, right)
                                                              : run_of<1, 1>(count, left, right);
                    call(lines, here.first, node.in_pitch, kernel * V, ending);
                } else if (one) {
                    one_column(count, lines, here.first, node.in_pitch, ending);
                } else {
                    for (int x = here.first; x < here.end; ++x) {
                        any_columns(node, lines, x, ending);
                        ending.output[0] += node.out_pitch;
                        for (int q = 0; q < node.addends; ++q) ending.addend[q] += node.out_pitch;
                    }
                }
            }
        }
    }
}

// -- element by element, and reductions -------------------------------------------------------------------------------

// activation(input x factor + addends); the factor, if there is one, is one number a channel for each of the batch.
static void scale(const Node &node, const Team &team) {
    const int lines = node.batch * node.out_frames * node.out_h, pitch = node.out_pitch;
    const Range own = share(lines, team.thread, team.threads);
    for (int line = own.first; line < own.end; ++line) {
        const int group = line / (node.out_frames * node.out_h);
        const float *factor = node.taps > 1 ? team.at[node.input[1]] + (int64_t)group * pitch : nullptr;
        const int64_t from = (int64_t)line * node.out_w * pitch;
        for (int channel = 0; channel < node.out_c; channel += V) {
            const vec f = factor ? load(factor + channel) : splat(1.0f);
            for (int x = 0; x < node.out_w; ++x) {
                const int64_t at = from + (int64_t)x * pitch + channel;
                vec y = load(team.at[node.input[0]] + at);
                if (factor) y *= f;
                for (int q = 0; q < node.addends; ++q) y += load(team.at[node.addend[q]] + at);
                store_part(team.at[node.output[0]] + at, activated(y, node.activation), pitch - channel);
            }
        }
    }
}

// The mean over all pixels of all frames, for each of the batch. Each thread sums up its own lines first.
static void mean(const Node &node, const Team &team, Barrier &barrier) {
    const int lines = node.in_frames * node.in_h, pitch = node.in_pitch;
    for (int group = 0; group < node.batch; ++group) {
        const Range own = share(lines, team.thread, team.threads);
        float *partial = team.scratch + ((int64_t)group * team.threads + team.thread) * pitch;
        for (int channel = 0; channel < pitch; channel += V) {
            vec sum[4] = {};
            const float *from = team.at[node.input[0]] + (int64_t)(group * lines + own.first) * node.in_w * pitch;
            const int pixels = (own.end - own.first) * node.in_w;
            int i = 0;
            for (; i + 4 <= pixels; i += 4)
#pragma GCC unroll 4
                for (int j = 0; j < 4; ++j) sum[j] += load(from + (int64_t)(i + j) * pitch + channel);
            for (; i < pixels; ++i) sum[0] += load(from + (int64_t)i * pitch + channel);
            store_part(partial + channel, (sum[0] + sum[1]) + (sum[2] + sum[3]), pitch - channel);
        }
    }
    barrier.wait(team.thread);
    if (team.thread) return;
    const float factor = 1.0f / ((float)lines * node.in_w);
    for (int group = 0; group < node.batch; ++group)
        for (int channel = 0; channel < pitch; ++channel) {
            float sum = 0;
            for (int thread = 0; thread < team.threads; ++thread)
                sum += team.scratch[((int64_t)group * team.threads + thread) * pitch + channel];
            team.at[node.output[0]][(int64_t)group * pitch + channel] = sum * factor;
        }
}

// Averages or maxima over windows in space, and in time over as many frames as there are taps. An average counts the
// padding or, as AVERAGE_INSIDE, what is there.
static void pool(const Node &node, const Team &team) {
    const int lines = node.batch * node.out_frames * node.out_h, pitch = node.in_pitch;
    const int64_t in_image = (int64_t)node.in_h * node.in_w * pitch;
    const Range own = share(lines, team.thread, team.threads);
    const float factor = 1.0f / (node.taps * node.kernel_h * node.kernel_w);
    for (int line = own.first; line < own.end; ++line)
        for (int x = 0; x < node.out_w; ++x)
            for (int channel = 0; channel < node.out_c; channel += V) {
                const int y = line % node.out_h, image = line / node.out_h, frame = image % node.out_frames;
                const float *element = team.at[node.input[0]] + image / node.out_frames * node.in_frames * in_image + channel;
                vec found = splat(node.reduction == MAXIMUM ? -__builtin_inff() : 0.0f);
                int inside = 0;
                for (int tap = 0; tap < node.taps; ++tap) {
                    const int in_frame = frame * node.frame_stride + node.shift[tap];
                    if (in_frame < 0 || in_frame >= node.in_frames) continue;
                    for (int ky = 0; ky < node.kernel_h; ++ky)
                        for (int kx = 0; kx < node.kernel_w; ++kx) {
                            const int in_y = y * node.stride_h + ky * node.dilation_h - node.padding_h;
                            const int in_x = x * node.stride_w + kx * node.dilation_w - node.padding_w;
                            if (in_y < 0 || in_y >= node.in_h || in_x < 0 || in_x >= node.in_w) continue;
                            const vec value = load(element + in_frame * in_image + (int64_t)(in_y * node.in_w + in_x) * pitch);
                            found = node.reduction == MAXIMUM ? larger(found, value) : found + value;
                            ++inside;
                        }
                }
                if (node.reduction == AVERAGE) found *= factor;
                if (node.reduction == AVERAGE_INSIDE) found *= 1.0f / inside;
                store_part(team.at[node.output[0]] + ((int64_t)line * node.out_w + x) * node.out_pitch + channel,
                           activated(found, node.activation), node.out_pitch - channel);
            }
}

// The newest map goes into the ring of `slots` maps, in the place of the oldest; out comes the average or the maximum
// of every `dilation_t`-th, back from the newest.
static void slide(const Node &node, const Team &team) {
    const int floats = node.batch * node.in_h * node.in_w * node.in_pitch;
    const Range own = share(floats / 8, team.thread, team.threads);
    float *ring = team.at[node.input[1]];
    for (int at = own.first * 8; at < own.end * 8; at += V) {
        const int left = own.end * 8 - at;
        const vec newest = load(team.at[node.input[0]] + at);
        store_part(ring + (int64_t)node.position * floats + at, newest, left);
        vec found = newest;
        int count = 1;
        for (int age = node.dilation_t; age < node.slots; age += node.dilation_t, ++count) {
            const int slot = (node.position - age + node.slots) % node.slots;
            const vec value = load(ring + (int64_t)slot * floats + at);
            found = node.reduction == MAXIMUM ? larger(found, value) : found + value;
        }
        if (node.reduction == AVERAGE) found *= 1.0f / count;
        store_part(team.at[node.output[0]] + at, activated(found, node.activation), left);
    }
}

// Planes (batch, channels, frames, height, width) into planes with a border of zeros, which stays as it was.
static void pack_planes(const Node &node, const Team &team) {
    const int lines = node.batch * node.in_c * node.in_frames * node.in_h;
    const int border = (node.out_frames - node.in_frames) / 2;
    const Range own = share(lines, team.thread, team.threads);
    for (int line = own.first; line < own.end; ++line) {
        const int y = line % node.in_h, image = line / node.in_h;
        const int frame = image % node.in_frames + border, plane = image / node.in_frames;
        const int64_t to = (((int64_t)plane * node.out_frames + frame) * node.out_h + y + node.padding_h) * node.out_w;
        memcpy(team.at[node.output[0]] + to + node.padding_w, team.at[node.input[0]] + (int64_t)line * node.in_w,
               node.in_w * sizeof(float));
    }
}

// Planes into a channels-last map.
static void pack_channels(const Node &node, const Team &team) {
    const int64_t plane = (int64_t)node.in_frames * node.in_h * node.in_w;
    const int lines = node.batch * node.in_frames * node.in_h;
    const Range own = share(lines, team.thread, team.threads);
    for (int line = own.first; line < own.end; ++line) {
        const int within = line % (node.in_frames * node.in_h), element = line / (node.in_frames * node.in_h);
        float *to = team.at[node.output[0]] + (int64_t)line * node.in_w * node.out_pitch;
        for (int c = 0; c < node.in_c; ++c) {
            const float *from =
                team.at[node.input[0]] + ((int64_t)element * node.in_c + c) * plane + (int64_t)within * node.in_w;
            for (int x = 0; x < node.in_w; ++x) to[x * node.out_pitch + c] = from[x];
        }
    }
}

// A channels-last map as one row for each of the batch, plane by plane.
static void unpack(const Node &node, const Team &team) {
    const int64_t pixels = (int64_t)node.in_frames * node.in_h * node.in_w;
    for (int element = 0; element < node.batch; ++element) {
        const Range own = share(node.in_c, team.thread, team.threads);
        const float *from = team.at[node.input[0]] + element * pixels * node.in_pitch;
        float *to = team.at[node.output[0]] + (int64_t)element * node.out_pitch;
        for (int c = own.first; c < own.end; ++c)
            for (int64_t i = 0; i < pixels; ++i) to[c * pixels + i] = from[i * node.in_pitch + c];
    }
}

// -- plain kinds --------------------------------------------------------------------------------------------------------

// What they do stands in a table of numbers, which `plain.py` writes. A source is a tap or, below zero, the constants.
typedef int32_t number __attribute__((may_alias));

static const number *table_of(const Node &node) { return (const number *)node.weight; }

static const float *source_of(const Node &node, const Team &team, int tap) {
    return tap < 0 ? node.bias : team.at[node.input[tap]];
}

// Runs of floats, each {to, tap, from, stride, count}: the numbers that lie `stride` apart, put side by side.
static void gather(const Node &node, const Team &team) {
    const number *table = table_of(node);
    const Range own = share(table[0], team.thread, team.threads);
    for (int i = own.first; i < own.end; ++i) {
        const number *run = table + 1 + 5 * (int64_t)i;
        float *to = team.at[node.output[0]] + run[0];
        const float *from = source_of(node, team, run[1]) + run[2];
        const int stride = run[3], count = run[4];
        if (stride == 1)
            memcpy(to, from, count * sizeof(float));
        else
            for (int k = 0; k < count; ++k) to[k] = from[(int64_t)k * stride];
    }
}

template <typename Function> static inline vec lanes(vec x, Function function) {
    for (int i = 0; i < V; ++i) x[i] = function(x[i]);
    return x;
}

static vec computed(int operation, vec a, vec b, vec c) {
    const vec zero = {}, one = splat(1.0f);
    switch (operation) {
        case ADD: return a + b;
        case SUBTRACT: return a - b;
        case MULTIPLY: return a * b;
        case DIVIDE: return a / b;
        case LARGER: return a != a ? a : larger(a, b);
        case SMALLER: return a != a ? a : smaller(a, b);
        case POWER:
            for (int i = 0; i < V; ++i) a[i] = std::pow(a[i], b[i]);
            return a;
        case GREATER: return a > b ? one : zero;
        case LESS: return a < b ? one : zero;
        case GREATER_EQUAL: return a >= b ? one : zero;
        case LESS_EQUAL: return a <= b ? one : zero;
        case EQUAL: return a == b ? one : zero;
        case NOT_EQUAL: return a != b ? one : zero;
        case WHERE: return a != zero ? b : c;
        case NEGATE: return -a;
        case ABSOLUTE: return lanes(a, [](float x) { return std::fabs(x); });
        case EXPONENTIAL: return lanes(a, [](float x) { return std::exp(x); });
        case LOGARITHM: return lanes(a, [](float x) { return std::log(x); });
        case ROOT: return lanes(a, [](float x) { return std::sqrt(x); });
        case TANH: return lanes(a, [](float x) { return std::tanh(x); });
        case ERF: return lanes(a, [](float x) { return std::erf(x); });
        case SINE: return lanes(a, [](float x) { return std::sin(x); });
        case COSINE: return lanes(a, [](float x) { return std::cos(x); });
        case FLOOR: return lanes(a, [](float x) { return std::floor(x); });
        case ROUND: return lanes(a, [](float x) { return std::nearbyint(x); });
        case TRUNCATE: return lanes(a, [](float x) { return std::trunc(x); });
        case EXPONENTIAL_LESS_ONE: return lanes(a, [](float x) { return std::expm1(x); });
        case LOGARITHM_OF_ONE_MORE: return lanes(a, [](float x) { return std::log1p(x); });
        default: return a;
    }
}

// {operation, operands, floats, floats of a block}, and of each operand {tap, from, group, period}: it has `period`
// floats for each `group` of the output's, again and again; a period of 0 is one number for all.
static void elementwise(const Node &node, const Team &team) {
    const number *table = table_of(node);
    const int operands = table[1], floats = table[2], block = table[3];
    const Range own = share(ceiling(floats, block), team.thread, team.threads);
    float *out = team.at[node.output[0]];
    for (int i = own.first; i < own.end; ++i) {
        const int start = i * block, count = floats - start < block ? floats - start : block;
        const float *from[3] = {};
        int step[3] = {};
        for (int q = 0; q < operands; ++q) {
            const number *operand = table + 4 + 4 * q;
            const int group = operand[2], period = operand[3];
            from[q] = source_of(node, team, operand[0]) + operand[1];
            if (period) from[q] += start / group * period + start % group % period;
            step[q] = period ? 1 : 0;
        }
        for (int at = 0; at < count; at += V) {
            vec x[3] = {};
            for (int q = 0; q < operands; ++q) x[q] = step[q] ? load(from[q] + at) : splat(*from[q]);
            store_part(out + start + at, activated(computed(table[0], x[0], x[1], x[2]), node.activation), count - at);
        }
    }
}

static vec reduced(int reduction, vec a, vec b) {
    if (reduction == MAXIMUM) return a != a ? a : larger(a, b);
    if (reduction == MINIMUM) return a != a ? a : smaller(a, b);
    return a + b;
}

// {rows, length}: each row to one number. The first constant is what an average is multiplied by.
static void reduce(const Node &node, const Team &team) {
    const number *table = table_of(node);
    const int length = table[1];
    const float first = node.reduction == MAXIMUM ? -__builtin_inff() : node.reduction == MINIMUM ? __builtin_inff() : 0.0f;
    const Range own = share(table[0], team.thread, team.threads);
    for (int row = own.first; row < own.end; ++row) {
        const float *from = team.at[node.input[0]] + (int64_t)row * length;
        vec found = splat(first);
        int i = 0;
        for (; i + V <= length; i += V) found = reduced(node.reduction, found, load(from + i));
        vec rest = splat(first);
        for (int lane = 0; i < length; ++lane, ++i) rest[lane] = from[i];
        found = reduced(node.reduction, found, rest);
        for (int width = V / 2; width; width /= 2) {
            vec other = found;
            for (int lane = 0; lane < width; ++lane) other[lane] = found[lane + width];
            found = reduced(node.reduction, found, other);
        }
        team.at[node.output[0]][row] = node.reduction == SUM ? found[0] * *node.bias : found[0];
    }
}

// {batch, rows, inner, columns}: products of matrices that lie row by row.
static void product(const Node &node, const Team &team) {
    const number *table = table_of(node);
    const int rows = table[1], inner = table[2], columns = table[3];
    const Range own = share(table[0] * rows, team.thread, team.threads);
    for (int row = own.first; row < own.end; ++row) {
        const float *a = team.at[node.input[0]] + (int64_t)row * inner;
        const float *b = team.at[node.input[1]] + (int64_t)(row / rows) * inner * columns;
        float *out = team.at[node.output[0]] + (int64_t)row * columns;
        for (int column = 0; column < columns; column += V) {
            vec sum = {};
            for (int k = 0; k < inner; ++k) sum += splat(a[k]) * load(b + (int64_t)k * columns + column);
            const int left = columns - column;
            memcpy(out + column, &sum, (left < V ? left : V) * sizeof(float));
        }
    }
}

// -- the engine -------------------------------------------------------------------------------------------------------

struct Engine {
    int threads;  // the caller's own one among them
    std::vector<Node> nodes;
    std::vector<float *> at, rotated;
    std::vector<int32_t> order;  // for each place of the table: from which one its address comes after a step
    std::vector<void *> owned;
    std::vector<std::vector<Region>> regions;
    float *zeros = nullptr, *scratch = nullptr;
    Barrier barrier;
    std::vector<std::thread> helpers;
    bool over = false;
    int64_t *ends_ns = nullptr;

    explicit Engine(int threads) : threads(threads) {}
    ~Engine() {
        over = true;
        barrier.wait(0);
        for (std::thread &helper : helpers) helper.join();
        for (void *memory : owned) free(memory);
    }

    // Threads of our own, so that nothing but the barrier says how they wait. The system may grant fewer.
    void hire() {
        barrier.expect(threads);
        try {
            for (int thread = 1; thread < threads; ++thread) helpers.emplace_back(&Engine::help, this, thread);
        } catch (const std::system_error &) {
            threads = int(helpers.size()) + 1;
            barrier.expect(threads);
        }
    }

    void help(int thread) {
        for (;;) {
            barrier.wait(thread, Barrier::LONG);  // until a step begins
            if (over) return;
            run(thread);
        }
    }

    // The table, as one of the team.
    void run(int thread) {
        const Team team = {thread, threads, at.data(), zeros, scratch};
        for (size_t i = 0; i < nodes.size(); ++i) {
            call(nodes[i], team);
            barrier.wait(thread);
            if (thread == 0 && ends_ns) ends_ns[i] = Clock::now().time_since_epoch().count();
        }
    }

    float *own(int64_t floats) {
        const size_t bytes = (size_t)(ceiling(int(floats), 64) + 1) * 64 * sizeof(float);
        void *memory = aligned_alloc(64, bytes);
        if (!memory) throw std::bad_alloc();
        memset(memory, 0, bytes);
        owned.push_back(memory);
        return (float *)memory;
    }

    // The weights in the order in which they are read, filled up with zeros to whole vectors.
    void pack(Node &node) {
        const int vectors = ceiling(node.out_c, V);
        if (node.kind == DENSE) {
            const int inner = node.taps * node.kernel_h * node.kernel_w * node.in_c;
            const Columns columns(node.out_c);
            node.packed_weight = own((int64_t)inner * vectors * V);
            node.packed_bias = own(vectors * V);
            for (int c = 0; node.bias && c < node.out_c; ++c) node.packed_bias[c] = node.bias[c];
            for (int t = 0; t < columns.tiles; ++t) {
                const int first = columns.first(t) * V, width = columns.width(t) * V;
                float *to = node.packed_weight + (int64_t)first * inner;
                for (int k = 0; k < inner; ++k)
                    for (int c = 0; c < width && first + c < node.out_c; ++c)
                        to[(int64_t)k * width + c] = node.weight[(int64_t)k * node.out_c + first + c];
            }
            if (node.in_planes) find_offsets(node, inner);
        } else if (node.kind == DEPTHWISE) {
            const int kernel = node.taps * node.kernel_h * node.kernel_w;
            node.packed_weight = own((int64_t)vectors * V * node.outputs * kernel);
            node.packed_bias = own((int64_t)vectors * V * node.outputs);
            for (int o = 0; o < node.outputs; ++o)
                for (int c = 0; c < node.out_c; ++c) {
                    const int64_t at = (int64_t)(c / V) * node.outputs + o;
                    if (node.bias) node.packed_bias[at * V + c % V] = node.bias[o * node.out_c + c];
                    for (int k = 0; k < kernel; ++k)
                        node.packed_weight[(at * kernel + k) * V + c % V] =
                            node.weight[((int64_t)o * kernel + k) * node.out_c + c];
                }
        }
    }

    // In planes: of each product of a pixel, (taps, height, width, channels), from its first one.
    void find_offsets(Node &node, int inner) {
        node.offsets = (int32_t *)own(inner);
        const int64_t image = (int64_t)node.in_h * node.in_w, plane = image * node.in_frames;
        int32_t *to = node.offsets;
        for (int tap = 0; tap < node.taps; ++tap)
            for (int y = 0; y < node.kernel_h; ++y)
                for (int x = 0; x < node.kernel_w; ++x)
                    for (int c = 0; c < node.in_c; ++c)
                        *to++ = int32_t(c * plane + node.shift[tap] * image + y * node.dilation_h * node.in_w +
                                        x * node.dilation_w);
    }

    // What the calls from one large product to the next one read of the state and of the weights, as much as a core's
    // second cache can take beside what is computed meanwhile.
    void look_ahead(int states) {
        constexpr int64_t MOST_FLOATS = (512 << 10) / sizeof(float);
        constexpr int LARGE = 32;  // pixels, from which on a product is worth it
        regions.resize(nodes.size());
        std::vector<Region> *to = nullptr;
        int64_t left = 0;
        auto add = [&](const Region &region) {
            const int64_t floats = region.whole ? region.floats : region.floats / threads;
            if (floats > left) return;
            left -= floats;
            to->push_back(region);
        };
        for (size_t i = 0; i < nodes.size(); ++i) {
            const Node &node = nodes[i];
            const int pixels = node.batch * node.out_frames * node.out_h * node.out_w;
            if (to && (node.kind == DENSE || node.kind == DEPTHWISE)) {
                auto of_state = [&](int place) { return place >= 1 && place <= states; };
                const int64_t in = (int64_t)node.batch * node.in_frames * node.in_h * node.in_w * node.in_pitch;
                for (int t = 0; t < node.taps; ++t)
                    if (of_state(node.input[t])) add({node.input[t], nullptr, in, false});
                for (int q = 0; q < node.addends; ++q)
                    if (of_state(node.addend[q])) add({node.addend[q], nullptr, (int64_t)pixels * node.out_pitch, false});
                const int64_t inner = (int64_t)node.taps * node.kernel_h * node.kernel_w *
                                      (node.kind == DENSE ? node.in_c : node.outputs);
                add({-1, node.packed_weight, inner * ceiling(node.out_c, V) * V, pixels >= node.out_c});
            }
            if (node.kind == DENSE && pixels >= LARGE) {
                to = &regions[i];
                left = MOST_FLOATS;
            }
        }
        for (size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].ahead = regions[i].data();
            nodes[i].aheads = regions[i].size();
        }
    }

    void call(const Node &node, const Team &team) {
        switch (node.kind) {
            case PACK_PLANES: return pack_planes(node, team);
            case PACK_CHANNELS: return pack_channels(node, team);
            case DENSE: return dense(node, team);
            case DEPTHWISE: return depthwise(node, team);
            case SCALE: return scale(node, team);
            case MEAN: return mean(node, team, barrier);
            case POOL: return pool(node, team);
            case SLIDE: return slide(node, team);
            case UNPACK: return unpack(node, team);
            case GATHER: return gather(node, team);
            case ELEMENTWISE: return elementwise(node, team);
            case REDUCE: return reduce(node, team);
            case PRODUCT: return product(node, team);
        }
    }

    void step(int64_t *ends) {
        ends_ns = ends;
        barrier.wait(0, Barrier::LONG);
        run(0);
        for (Node &node : nodes)
            if (node.kind == SLIDE) node.position = (node.position + 1) % node.slots;
        for (size_t i = 0; i < at.size(); ++i) rotated[i] = at[order[i]];
        at.swap(rotated);
    }
};

#if !defined(KERNELS_NAMESPACE)
extern "C" {
#endif

int engine_vector_floats() { return V; }

int engine_node_bytes() { return sizeof(Node); }

Engine *engine_make(const Node *nodes, int count, float *const *at, const int32_t *order, int places, int states,
                    int threads) {
    std::unique_ptr<Engine> engine(new Engine(threads));
    engine->nodes.assign(nodes, nodes + count);
    engine->at.assign(at, at + places);
    engine->rotated = engine->at;
    engine->order.assign(order, order + places);
    engine->hire();
    int64_t zeros = 64, scratch = 64;
    for (Node &node : engine->nodes) {
        if (!node.packed_weight) engine->pack(node);  // else another engine did, which lives longer
        node.position = node.slots - 1;
        const int64_t row = (int64_t)node.in_pitch * (node.kernel_w + 1) + V;
        zeros = row > zeros ? row : zeros;
        const int64_t partial = (int64_t)node.batch * threads * node.in_pitch + V;
        if (node.kind == MEAN && partial > scratch) scratch = partial;
    }
    engine->look_ahead(states);
    engine->zeros = engine->own(zeros);
    engine->scratch = engine->own(scratch);
    return engine.release();
}

void engine_free(Engine *engine) { delete engine; }

// One step on the input at `input`, which is read only. `ends_ns`, if given, is when each node was done.
void engine_step(Engine *engine, float *input, int64_t *ends_ns) {
    engine->at[0] = input;
    engine->step(ends_ns);
}

// Back to the first addresses. A ring holds the past from its first slot on, and the last is written next.
void engine_reset(Engine *engine, float *const *at) {
    engine->at.assign(at, at + engine->at.size());
    for (Node &node : engine->nodes) node.position = node.slots - 1;
}

// Where the tensors of the table lie now, and the next slot of node `index`.
float *engine_address(const Engine *engine, int place) { return engine->at[place]; }

int engine_position(const Engine *engine, int index) { return engine->nodes[index].position; }
}
