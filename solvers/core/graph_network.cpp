#include "solvers/core/graph_network.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr float INFINITE = std::numeric_limits<float>::infinity();
// As in `solvers.policy.model`: the largest log odds of a server, and e to the power of the largest of a pair.
constexpr double OPENNESS = 12.0, LARGEST = 1.1420073898156842e26;
// Parts of a user below e to minus this count as that.
constexpr float SMALLEST = 30.0F;
// Products are turned into logarithms above `LARGE_PRODUCT`, which is looked for every `PRODUCT_USERS` users, and for the
// user's best server always: 32 factors of at most 2 + e^12 are below 1e167, and one is at most `LARGEST`.
constexpr double LARGE_PRODUCT = 1e100;
constexpr Size PRODUCT_USERS = 32;

// Return e to the power of x, cut at ±87, within 2 ulp of float32 (Cephes, Moshier 1989).
DTOPT_INLINE float exp32(float x) {
    x = x < -87.0F ? -87.0F : (x > 87.0F ? 87.0F : x);
    const float k = (x * 1.44269504F + 12582912.0F) - 12582912.0F;
    const float r = (x - k * 0.693359375F) + k * 2.12194440e-4F;
    float y = 1.9875691500e-4F;
    y = y * r + 1.3981999507e-3F;
    y = y * r + 8.3334519073e-3F;
    y = y * r + 4.1665795894e-2F;
    y = y * r + 1.6666665459e-1F;
    y = y * r + 5.0000001201e-1F;
    y = (y * (r * r) + r) + 1.0F;
    return y * std::bit_cast<float>((static_cast<std::int32_t>(k) + 127) << 23);
}

double softplus(double x) { return std::max(x, 0.0) + log1p(exp(-std::abs(x))); }

double tanh_of(double x) {
    const double e = exp(-2.0 * std::abs(x));
    return std::copysign((1.0 - e) / (1.0 + e), x);
}

double asinh_of(double x) {
    const double a = std::abs(x);
    return std::copysign(log1p(a + a * a / (1.0 + std::sqrt(1.0 + a * a))), x);
}

DTOPT_INLINE void silu_body(float* values, Size size) {
    for (Size j = 0; j < size; ++j) values[j] = values[j] / (1.0F + exp32(-values[j]));
}

DTOPT_HOT(void, silu, (float* values, Size size), silu_body, (values, size))

// What servers name for one head.
struct Terms {
    std::vector<float> openness, join, load, cpu;  // (M,): log odds of being open, prices of joining, load and CPU
    std::vector<float> log_open;                   // (M,): log of the chance of being open
    Doubles closed;                                // (M,): one over that chance

    explicit Terms(Size m) : openness(m), join(m), load(m), cpu(m), log_open(m), closed(m) {}
};

// What a server adds up from users for one head, in a cache line.
struct alignas(64) Heard {
    using Four = double __attribute__((vector_size(4 * sizeof(double))));

    Four sums = {0.0, 0.0, 0.0, 0.0};  // users, their load, their cost beyond the cheapest, and their CPU set aside
    double undecided = 0.0, worth = 0.0;
    double product = 1.0;  // of `worth`, a sum of log(1 + x), the product of 1 + x whose logarithm is not yet added

    DTOPT_INLINE void take_logarithm() {
        worth += log(product);
        product = 1.0;
    }
};

// Room for numbers of a user's pairs: logits or weights of the softmax, parts of the user, and factors of worth.
struct Room {
    std::vector<float> weight;
    Doubles share, factor;

    explicit Room(Size width) : weight(width), share(width), factor(width) {}
};

// A user's parts over servers are weights over the sum 1 + others; the best server's weight is 1.
struct Spread {
    Size best;
    double others;
};

template <bool DENSE>
DTOPT_INLINE Spread spread_of(const std::int32_t* station, const float* gap, const float* part, float size,
                              Size width, const Terms& terms, float sharp, Room& room) {
    float* __restrict weight = room.weight.data();
    const float *join = terms.join.data(), *load = terms.load.data(), *cpu = terms.cpu.data();
    const float* log_open = terms.log_open.data();
    for (Size c = 0; c < width; ++c) {
        const Size k = DENSE ? c : static_cast<Size>(station[c]);
        weight[c] = log_open[k] - sharp * (((gap[c] + join[k]) + load[k] * size) + cpu[k] * part[c]);
    }
    float most[LANES];
    std::fill_n(most, LANES, -INFINITE);
    Size c = 0;
    for (; c + LANES <= width; c += LANES)
        for (Size x = 0; x < LANES; ++x) most[x] = weight[c + x] > most[x] ? weight[c + x] : most[x];
    float top = *std::max_element(most, most + LANES);
    for (; c < width; ++c) top = std::max(top, weight[c]);
    if (top == -INFINITE) return {width, 0.0};
    const Size best = static_cast<Size>(std::find(weight, weight + width, top) - weight);
    for (c = 0; c < width; ++c) {
        const float x = weight[c] - top, y = exp32(x < -SMALLEST ? -SMALLEST : x);
        weight[c] = gap[c] < INFINITE ? y : 0.0F;
    }
    // Without the favourite the others are added up apart from it: the difference would be all rounding.
    weight[best] = 0.0F;
    const double others = lane_sum(0, width, [&](Size j) { return static_cast<double>(weight[j]); });
    weight[best] = 1.0F;
    return {best, others};
}

template <bool DENSE>
DTOPT_INLINE void add_user(const std::int32_t* station, const float* gap, const float* part, float size, Size width,
                           const Terms& terms, const Spread& spread, Room& room, Heard* heard) {
    const double total = 1.0 + spread.others, scale = 1.0 / total;
    const float* __restrict weight = room.weight.data();
    double* __restrict share = room.share.data();
    double* __restrict factor = room.factor.data();
    const double* closed = terms.closed.data();
    const Size favourite = DENSE ? spread.best : static_cast<Size>(station[spread.best]);
    for (Size c = 0; c < width; ++c) {
        const Size k = DENSE ? c : static_cast<Size>(station[c]);
        share[c] = weight[c] * scale;
        factor[c] = 1.0 + weight[c] * closed[k] / (total - weight[c]);
    }
    factor[spread.best] = 1.0 + std::min(closed[favourite] / spread.others, LARGEST);
    for (Size c = 0; c < width; ++c) {
        Heard& server = heard[DENSE ? c : static_cast<Size>(station[c])];
        const double beyond = gap[c] < INFINITE ? gap[c] : 0.0F;
        server.sums += share[c] * Heard::Four{1.0, size, beyond, part[c]};
        server.undecided += share[c] * (1.0 - share[c]);
        server.product *= factor[c];
    }
    if (heard[favourite].product > LARGE_PRODUCT) heard[favourite].take_logarithm();
}

template <bool DENSE>
DTOPT_INLINE void messages(const Graph& graph, const Terms& terms, float sharp, Heard* heard) {
    const Size width = graph.width();
    Room room(width);
    for (Size i = 0; i < graph.users(); ++i) {
        const std::int32_t* station = graph.station.row(i).data();
        const float *gap = graph.gap.row(i).data(), *part = graph.part.row(i).data(), size = graph.size[i];
        const Spread spread = spread_of<DENSE>(station, gap, part, size, width, terms, sharp, room);
        if (spread.best < width) add_user<DENSE>(station, gap, part, size, width, terms, spread, room, heard);
        const bool last = i + 1 == graph.users();
        for (Size k = 0; (last || i % PRODUCT_USERS == 0) && k < graph.servers(); ++k)
            if (last || heard[k].product > LARGE_PRODUCT) heard[k].take_logarithm();
    }
}

DTOPT_INLINE void messages_body(const Graph& graph, const Terms& terms, float sharp, Heard* heard) {
    if (graph.dense)
        messages<true>(graph, terms, sharp, heard);
    else
        messages<false>(graph, terms, sharp, heard);
}

DTOPT_HOT(void, hear, (const Graph& graph, const Terms& terms, float sharp, Heard* heard), messages_body,
          (graph, terms, sharp, heard))

// Read the terms of a head from what servers name; load and count are what the head's servers had in the last round.
void read_terms(const Graph& graph, const Matrix<float>& named, Size head, std::span<const float> load,
                std::span<const float> count, Terms& terms) {
    const double compute = graph.shared[GraphNetwork::COMPUTE], optimal = graph.shared[GraphNetwork::OPTIMAL];
    const double equal = graph.shared[GraphNetwork::EQUAL];
    for (Size k = 0; k < graph.servers(); ++k) {
        const float* raw = named.row(k).data() + head * GraphNetwork::TERMS;
        const double openness = std::clamp(static_cast<double>(raw[0]), -OPENNESS, OPENNESS), cpu = graph.cpu[k];
        const double base = compute * (2.0 * optimal * load[k] + equal * count[k]) / cpu;
        const double steep = base * exp(std::clamp(static_cast<double>(raw[2]), -3.0, 3.0)) +
                             compute * softplus(static_cast<double>(raw[3]) - 2.0);
        const double log_open = -softplus(-openness);
        terms.openness[k] = static_cast<float>(openness);
        terms.join[k] = static_cast<float>(compute * equal * load[k] / cpu + raw[1]);
        terms.load[k] = static_cast<float>(steep);
        terms.cpu[k] = static_cast<float>(softplus(static_cast<double>(raw[4]) - 1.0));
        terms.log_open[k] = static_cast<float>(log_open);
        terms.closed[k] = 1.0 + exp(-openness);
    }
}

float sharpness(double raw) { return static_cast<float>(0.3 + softplus(raw)); }

}  // namespace

GraphAnswer GraphNetwork::forward(const Graph& graph) const {
    const Size m = graph.servers(), state_width = begin.outputs(), fixed = begin.inputs();
    const Size features = graph.server.columns(), at_messages = 2 * state_width + fixed;
    Matrix<float> features_of(m, fixed), state(m, state_width), change(m, state_width), named(m, TERMS * heads());
    Matrix<float> seen(m, at_messages + (MESSAGES + 1) * heads()), between(m, rounds.front().inner.outputs());
    for (Size k = 0; k < m; ++k) {
        std::ranges::copy(graph.server.row(k), features_of.row(k).begin());
        std::ranges::copy(graph.shared, features_of.row(k).begin() + static_cast<std::ptrdiff_t>(features));
        std::ranges::copy(features_of.row(k), seen.row(k).begin() + static_cast<std::ptrdiff_t>(2 * state_width));
    }
    begin.apply(features_of, state);
    for (float& value : state.values()) value = static_cast<float>(tanh_of(value));
    // What a server has is not known before the first round: half of all servers share everything.
    Matrix<float> load(heads(), m), count(heads(), m), sharp(1, heads());
    for (Size h = 0; h < heads(); ++h)
        for (Size k = 0; k < m; ++k) load(h, k) = count(h, k) = 2.0F * graph.cpu[k];
    const MatrixView<const float> shared(graph.shared.data(), 1, graph.shared.size());
    Terms terms(m);
    for (const Round& round : rounds) {
        round.terms.apply(state, named);
        round.sharpness.apply(shared, sharp);
        for (Size h = 0; h < heads(); ++h) {
            read_terms(graph, named, h, load.row(h), count.row(h), terms);
            const float sharp_one = sharpness(sharp(0, h));
            std::vector<Heard> heard(m);
            hear(graph, terms, sharp_one, heard.data());
            for (Size k = 0; k < m; ++k) {
                const double worth = heard[k].worth / graph.crowd / sharp_one;
                double news[MESSAGES] = {0.0, 0.0, 0.0, 0.0, heard[k].undecided / graph.crowd, worth,
                                         worth - graph.shared[OPENING]};
                for (Size j = 0; j < 4; ++j) news[j] = heard[k].sums[j] / graph.crowd;
                count(h, k) = static_cast<float>(news[0]);
                load(h, k) = static_cast<float>(news[1]);
                float* row = seen.row(k).data() + at_messages + h;
                for (Size j = 0; j < MESSAGES; ++j) row[j * heads()] = static_cast<float>(asinh_of(news[j]));
                row[MESSAGES * heads()] = terms.openness[k] / 4.0F;
            }
        }
        Doubles mean(state_width);
        for (Size k = 0; k < m; ++k)
            for (Size j = 0; j < state_width; ++j) mean[j] += state(k, j);
        for (Size k = 0; k < m; ++k)
            for (Size j = 0; j < state_width; ++j) {
                seen(k, j) = state(k, j);
                seen(k, state_width + j) = static_cast<float>(mean[j] / static_cast<double>(m));
            }
        round.inner.apply(seen, between);
        silu(between.data(), between.values().size());
        round.outer.apply(between, change);
        for (Size j = 0; j < state.values().size(); ++j) state.values()[j] += change.values()[j];
    }
    named = Matrix<float>(m, TERMS);
    final_terms.apply(state, named);
    read_terms(graph, named, 0, load.row(0), count.row(0), terms);
    final_sharpness.apply(shared, sharp);
    const float sharp_one = sharpness(sharp(0, 0));
    GraphAnswer answer{terms.openness, Matrix<float>(graph.users(), graph.width())};
    for (Size i = 0; i < graph.users(); ++i)
        for (Size c = 0; c < graph.width(); ++c) {
            const Size k = static_cast<Size>(graph.station(i, c));
            answer.priced(i, c) = sharp_one * (((graph.gap(i, c) + terms.join[k]) + terms.load[k] * graph.size[i]) +
                                               terms.cpu[k] * graph.part(i, c));
        }
    return answer;
}

}  // namespace dtopt
