#include "dtopt/core/price_dual.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dtopt/core/hot.hpp"
#include "dtopt/core/pack.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

// min(0, x) with its kink rounded off by a parabola over −T < x < T, and its derivative.
struct Soft {
    double value, weight;
};

DTOPT_INLINE Soft soft(double x, double temperature, double half_inverse) {
    double weight = (temperature - x) * half_inverse;
    weight = weight < 0.0 ? 0.0 : weight;
    weight = weight > 1.0 ? 1.0 : weight;
    return {x > -temperature ? -temperature * weight * weight : x, weight};
}

// The pairs of one server, and the prices there.
struct ServerPairs {
    const std::int32_t* user;
    const double *cost, *part, *floor;
    Size size;
    double load, place, share;
};

// What a server's pairs gain, and the slopes of that in load, place and share.
struct ServerSums {
    double gains, step, count, used;
};

// The data of four pairs, and what they gain.
template <bool PARTS, bool FLOORS>
struct PairGains {
    Pack load, rate, place, share, worth, temperature, half_inverse;
    Pack gains{}, step{}, count{}, used{};

    PairGains(const ServerPairs& s, double value, double heat)
        : load(pack_of(s.load)),
          rate(pack_of(s.load / (2.0 * value))),
          place(pack_of(s.place)),
          share(pack_of(s.share)),
          worth(pack_of(value)),
          temperature(pack_of(heat)),
          half_inverse(pack_of(0.5 / heat)) {}

    // Add four pairs; return their weights.
    DTOPT_INLINE Pack add(Pack cost, Pack size, Pack price, Pack part, Pack floor) {
        Pack priced = load * size, change = size;
        if constexpr (FLOORS) {
            const Pack least = rate * floor;
            const auto binds = least > size;
            const Pack clamped = worth * (size * size / (binds ? floor : pack_of(1.0)) + rate * least);
            priced = binds ? clamped : priced;
            change = binds ? least : change;
        }
        if constexpr (PARTS) priced += share * part;
        const Pack gain = cost + priced + place - price, zero = pack_of(0.0), one = pack_of(1.0);
        Pack weight = (temperature - gain) * half_inverse;
        weight = weight < zero ? zero : weight;
        weight = weight > one ? one : weight;
        gains += gain > -temperature ? -temperature * weight * weight : gain;
        step += weight * change;
        count += weight;
        if constexpr (PARTS) used += weight * part;
        return weight;
    }
};

template <bool WHOLE, bool PARTS, bool FLOORS>
DTOPT_INLINE ServerSums server_sums(const ServerPairs& s, const double* root_load, const double* price, double worth,
                                    double temperature, double* chosen) {
    PairGains<PARTS, FLOORS> low(s, worth, temperature), high(low);
    const Pack none{};
    const auto four = [&](PairGains<PARTS, FLOORS>& sums, Size e) DTOPT_LAMBDA {
        const std::int32_t* user = s.user + e;
        const Pack part = PARTS ? load(s.part + e) : none, floor = FLOORS ? load(s.floor + e) : none;
        store(chosen + e, sums.add(load(s.cost + e), gathered<WHOLE>(root_load, user, e),
                                   gathered<WHOLE>(price, user, e), part, floor));
    };
    Size e = 0;
    for (; e + 2 * PACK <= s.size; e += 2 * PACK) {
        four(low, e);
        four(high, e + PACK);
    }
    // The pairs left over, beside pairs that cost too much to count.
    for (auto* sums : {&low, &high}) {
        if (e >= s.size) break;
        Pack cost = pack_of(std::numeric_limits<double>::max()), size = none, own = none, part = none, floor = none;
        const Size left = std::min(PACK, s.size - e);
        for (Size x = 0; x < left; ++x) {
            const auto i = static_cast<Size>(s.user[e + x]);
            cost[x] = s.cost[e + x];
            size[x] = root_load[i];
            own[x] = price[i];
            if constexpr (PARTS) part[x] = s.part[e + x];
            if constexpr (FLOORS) floor[x] = s.floor[e + x];
        }
        const Pack weight = sums->add(cost, size, own, part, floor);
        for (Size x = 0; x < left; ++x) chosen[e + x] = weight[x];
        e += left;
    }
    return {total(low.gains, high.gains), total(low.step, high.step), total(low.count, high.count),
            total(low.used, high.used)};
}

DTOPT_INLINE ServerSums sums_body(bool whole, const ServerPairs& s, const double* root_load, const double* price,
                                  double worth, double temperature, double* chosen) {
    if (s.floor != nullptr)
        return whole ? server_sums<true, false, true>(s, root_load, price, worth, temperature, chosen)
                     : server_sums<false, false, true>(s, root_load, price, worth, temperature, chosen);
    if (s.part != nullptr)
        return whole ? server_sums<true, true, false>(s, root_load, price, worth, temperature, chosen)
                     : server_sums<false, true, false>(s, root_load, price, worth, temperature, chosen);
    return whole ? server_sums<true, false, false>(s, root_load, price, worth, temperature, chosen)
                 : server_sums<false, false, false>(s, root_load, price, worth, temperature, chosen);
}

DTOPT_HOT(ServerSums, sums_of,
          (bool whole, const ServerPairs& s, const double* root_load, const double* price, double worth,
           double temperature, double* chosen),
          sums_body, (whole, s, root_load, price, worth, temperature, chosen))

// What a server's pairs gain without softening.
DTOPT_INLINE double gain_body(bool whole, const ServerPairs& s, const double* root_load, const double* price,
                              double worth) {
    return lane_sum(0, s.size, [&](Size e) {
        const Size i = whole ? e : static_cast<Size>(s.user[e]);
        const double size = root_load[i];
        double priced = s.load * size;
        if (s.floor != nullptr) priced = priced_load(size, s.floor[e], s.load, worth).cost;
        if (s.part != nullptr) priced += s.share * s.part[e];
        const double gain = s.cost[e] + priced + s.place - price[i];
        return gain < 0.0 ? gain : 0.0;
    });
}

DTOPT_HOT(double, gain_of,
          (bool whole, const ServerPairs& s, const double* root_load, const double* price, double worth), gain_body,
          (whole, s, root_load, price, worth))

DTOPT_INLINE void subtract_body(double* slope, const double* chosen, Size size, double times) {
    for (Size e = 0; e < size; ++e) slope[e] -= times * chosen[e];
}

DTOPT_HOT(void, subtract, (double* slope, const double* chosen, Size size, double times), subtract_body,
          (slope, chosen, size, times))

ServerPairs pairs_of(const Columns& c, Size k, const Prices<const double>& p) {
    const auto first = static_cast<Size>(c.start[k]);
    return {c.user.data() + first,
            c.cost.data() + first,
            c.part.empty() ? nullptr : c.part.data() + first,
            c.floor.empty() ? nullptr : c.floor.data() + first,
            static_cast<Size>(c.start[k + 1]) - first,
            p.load[k],
            p.place[k],
            p.share[k]};
}

// What a server costs at these prices before its users' gains.
double idle_value(const Columns& c, Size k, const Prices<const double>& p) {
    const double load = p.load[k];
    return c.opening[k] + p.more - load * load * c.cpu[k] / (4.0 * c.worth) - p.place[k] * c.capacity[k] - p.share[k];
}

double sum_of(std::span<const double> values) {
    return lane_sum(0, values.size(), [&](Size j) { return values[j]; });
}

}  // namespace

void Columns::finish() {
    whole.assign(servers(), 1);
    for (Size k = 0; k < servers(); ++k) {
        const auto first = static_cast<Size>(start[k]), last = static_cast<Size>(start[k + 1]);
        if (last - first != users()) whole[k] = 0;
        for (Size e = first; e < last && whole[k] != 0; ++e)
            if (static_cast<Size>(user[e]) != e - first) whole[k] = 0;
    }
}

double dual_value(const Columns& c, std::span<const std::int64_t> state, std::span<const double> row) {
    const Prices<const double> p(row, c.users(), c.servers());
    double total = sum_of(p.user) - p.more * static_cast<double>(c.max_open);
    for (Size k = 0; k < c.servers(); ++k) {
        if (state[k] < 0) continue;
        const double gain = gain_of(c.is_whole(k), pairs_of(c, k, p), c.root_load.data(), p.user.data(), c.worth);
        const double server = idle_value(c, k, p) + gain;
        if (state[k] > 0 || server < 0.0) total += server;
    }
    return total;
}

double dual_smoothed(const Columns& c, std::span<const std::int64_t> state, std::span<const double> row,
                     double temperature, std::span<double> slope_row, std::span<double> chosen) {
    const Size n = c.users(), m = c.servers();
    const Prices<const double> p(row, n, m);
    const Prices<double> slope(slope_row, n, m);
    const auto most = static_cast<double>(c.max_open);
    double value = sum_of(p.user) - p.more * most, opened = 0.0;
    std::fill(slope.user.begin(), slope.user.end(), 1.0);
    for (Size k = 0; k < m; ++k) {
        slope.load[k] = slope.place[k] = slope.share[k] = 0.0;
        if (state[k] < 0) continue;
        const ServerPairs pairs = pairs_of(c, k, p);
        double* weights = chosen.data() + c.start[k];
        const bool whole = c.is_whole(k);
        const ServerSums sums =
            sums_of(whole, pairs, c.root_load.data(), p.user.data(), c.worth, temperature, weights);
        const double server = idle_value(c, k, p) + sums.gains;
        Soft open{server, 1.0};
        if (state[k] == FREE) open = soft(server, temperature, 0.5 / temperature);
        value += open.value;
        if (open.weight == 0.0) continue;
        opened += open.weight;
        if (whole) {
            subtract(slope.user.data(), weights, n, open.weight);
        } else {
            for (Size e = 0; e < pairs.size; ++e)
                slope.user[static_cast<Size>(pairs.user[e])] -= open.weight * weights[e];
        }
        slope.load[k] = open.weight * (sums.step - pairs.load * c.cpu[k] / (2.0 * c.worth));
        slope.place[k] = open.weight * (sums.count - c.capacity[k]);
        slope.share[k] = open.weight * (sums.used - 1.0);
    }
    slope.more = opened - most;
    return value;
}

Columns dual_narrowed(const Columns& c, std::span<const double> row, double margin) {
    const Size n = c.users(), m = c.servers();
    const Prices<const double> p(row, n, m);
    Columns kept{static_cast<const PricedData&>(c)};
    kept.start.assign(m + 1, 0);
    for (Size k = 0; k < m; ++k) {
        const ServerPairs pairs = pairs_of(c, k, p);
        const double place = pairs.place - margin;
        for (Size e = 0; e < pairs.size; ++e) {
            const auto i = static_cast<Size>(pairs.user[e]);
            double priced = pairs.cost[e] + pairs.load * c.root_load[i] + place;
            if (pairs.part != nullptr) priced += pairs.share * pairs.part[e];
            if (!(priced < p.user[i])) continue;
            kept.user.push_back(pairs.user[e]);
            kept.cost.push_back(pairs.cost[e]);
            if (pairs.part != nullptr) kept.part.push_back(pairs.part[e]);
            if (pairs.floor != nullptr) kept.floor.push_back(pairs.floor[e]);
        }
        kept.start[k + 1] = static_cast<std::int64_t>(kept.user.size());
    }
    kept.finish();
    return kept;
}

Doubles dual_least_priced(const Columns& c, std::span<const double> load, std::span<const double> place,
                          std::span<const double> share) {
    Doubles least(c.users(), std::numeric_limits<double>::infinity());
    for (Size k = 0; k < c.servers(); ++k) {
        for (auto e = static_cast<Size>(c.start[k]); e < static_cast<Size>(c.start[k + 1]); ++e) {
            const auto i = static_cast<Size>(c.user[e]);
            double priced = c.cost[e] + load[k] * c.root_load[i] + place[k];
            if (!c.part.empty()) priced += share[k] * c.part[e];
            least[i] = std::min(least[i], priced);
        }
    }
    return least;
}

Region cut_region(const Columns& c, std::span<const double> row, std::span<const double> margin,
                  std::span<const std::int64_t> servers, Size inner, std::span<const bool> is_free) {
    const Size n = c.users();
    const Prices<const double> p(row, n, c.servers());
    Region region;
    Columns& cut = region.columns;
    cut.worth = c.worth;
    cut.max_open = c.max_open;
    cut.start.push_back(0);
    std::vector<bool> is_there(n, false);
    Shorts listed;
    for (Size x = 0; x < servers.size(); ++x) {
        const auto k = static_cast<Size>(servers[x]);
        const ServerPairs pairs = pairs_of(c, k, p);
        double elsewhere = 0.0;
        for (Size e = 0; e < pairs.size; ++e) {
            const auto i = static_cast<Size>(pairs.user[e]);
            double priced = pairs.load * c.root_load[i];
            if (pairs.floor != nullptr) priced = priced_load(c.root_load[i], pairs.floor[e], pairs.load, c.worth).cost;
            double gain = pairs.cost[e] + priced + pairs.place - p.user[i];
            if (pairs.part != nullptr) gain += pairs.share * pairs.part[e];
            if (gain >= margin[i]) continue;
            if (x < inner || is_free[i]) {
                is_there[i] = true;
                listed.push_back(pairs.user[e]);
                cut.cost.push_back(pairs.cost[e]);
                if (pairs.part != nullptr) cut.part.push_back(pairs.part[e]);
                if (pairs.floor != nullptr) cut.floor.push_back(pairs.floor[e]);
            } else if (gain < 0.0) {
                elsewhere += gain;
            }
        }
        cut.start.push_back(static_cast<std::int64_t>(listed.size()));
        cut.cpu.push_back(c.cpu[k]);
        cut.capacity.push_back(c.capacity[k]);
        cut.opening.push_back(c.opening[k] + elsewhere);
    }
    Shorts place_of(n, -1);
    for (const bool free : {true, false}) {
        for (Size i = 0; i < n; ++i) {
            if (!is_there[i] || is_free[i] != free) continue;
            place_of[i] = static_cast<std::int32_t>(region.users.size());
            region.users.push_back(static_cast<std::int64_t>(i));
            cut.root_load.push_back(c.root_load[i]);
        }
        if (free) region.free_users = static_cast<std::int64_t>(region.users.size());
    }
    cut.user.reserve(listed.size());
    for (const std::int32_t i : listed) cut.user.push_back(place_of[static_cast<Size>(i)]);
    cut.finish();
    return region;
}

}  // namespace dtopt
