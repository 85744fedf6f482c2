#include "dtopt/core/wired_pairs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();

struct Pair {
    double cost, floor;  // the cost is infinite where the pair is not allowed
};

Pair pair_at(const WiredPairs& p, double far, Size i, Size k) {
    if (p.capacity[k] <= 0.0) return {INFINITE, 0.0};
    double most = p.cpu[k], floor = 0.0;
    if (!p.demand.empty()) {
        if (p.demand[i] > most) return {INFINITE, 0.0};
        most = p.demand[i];
    }
    if (!p.cycles.empty()) {
        const double spare = p.slack[i] - p.pace[i] * far;
        if (spare < 0.0 || p.cycles[i] > most * spare) return {INFINITE, 0.0};
        if (spare > 0.0 && spare < INFINITE) floor = std::min(p.cycles[i] / spare, most);
    }
    return {p.base[i] + p.slope[i] * far, floor};
}

// Return the stations within a radius of one.
Shorts stations_within(const WiredPairs& p, Size station, double radius) {
    Shorts found;
    const auto near = p.order.row(station);
    const Size m = p.servers();
    if (near.size() < m && p.distance(station, static_cast<Size>(near.back())) <= radius) {
        for (Size k = 0; k < m; ++k)
            if (p.distance(station, k) <= radius) found.push_back(static_cast<std::int32_t>(k));
        return found;
    }
    for (const std::int32_t k : near) {
        if (p.distance(station, static_cast<Size>(k)) > radius) break;
        found.push_back(k);
    }
    return found;
}

}  // namespace

Columns list_pairs(const WiredPairs& p, std::span<const double> radius) {
    const Size n = p.users(), m = p.servers();
    // Users of a station with like radii look at the same stations.
    Doubles widest(m, 0.0);
    for (Size i = 0; i < n; ++i) {
        double& most = widest[static_cast<Size>(p.access[i])];
        most = std::max(most, radius[i]);
    }
    std::vector<Shorts> near(m);
    for (Size j = 0; j < m; ++j) near[j] = stations_within(p, j, widest[j]);
    Columns c{p};
    c.start.assign(m + 1, 0);
    const auto each = [&](auto visit) {
        for (Size i = 0; i < n; ++i) {
            const auto j = static_cast<Size>(p.access[i]);
            for (const std::int32_t listed : near[j]) {
                const auto k = static_cast<Size>(listed);
                const double far = p.distance(j, k);
                if (far > radius[i]) continue;
                const Pair pair = pair_at(p, far, i, k);
                if (pair.cost < INFINITE) visit(i, k, pair);
            }
        }
    };
    each([&](Size, Size k, const Pair&) { ++c.start[k + 1]; });
    for (Size k = 0; k < m; ++k) c.start[k + 1] += c.start[k];
    const auto size = static_cast<Size>(c.start[m]);
    c.user.resize(size);
    c.cost.resize(size);
    c.part.resize(p.demand.empty() ? 0 : size);
    c.floor.resize(p.has_floors() ? size : 0);
    Integers end(c.start.begin(), c.start.end() - 1);
    each([&](Size i, Size k, const Pair& pair) {
        const auto at = static_cast<Size>(end[k]++);
        c.user[at] = static_cast<std::int32_t>(i);
        c.cost[at] = pair.cost;
        if (!c.part.empty()) c.part[at] = p.demand[i] / p.cpu[k];
        if (!c.floor.empty()) c.floor[at] = pair.floor;
    });
    c.finish();
    return c;
}

Settled settle(const WiredPairs& p, std::span<const double> row, std::span<const double> radius,
               std::span<const std::int64_t> state) {
    const Size n = p.users(), m = p.servers();
    const Prices<const double> price(row, n, m);
    const auto most = static_cast<double>(p.max_open);
    Settled result{-price.more * most, price.more * most, Doubles(m), Doubles(radius.begin(), radius.end())};
    for (Size k = 0; k < m; ++k) {
        const double load = price.load[k];
        const double held =
            load * load * p.cpu[k] / (4.0 * p.worth) + price.place[k] * p.capacity[k] + price.share[k];
        result.server[k] = p.opening[k] + price.more - held;
        result.magnitude += held + p.opening[k];
    }
    const double cheapest = m ? *std::min_element(price.load.begin(), price.load.end()) : 0.0;
    const double place = m ? *std::min_element(price.place.begin(), price.place.end()) : 0.0;
    for (Size i = 0; i < n; ++i) {
        const auto access = static_cast<Size>(p.access[i]);
        const double user = price.user[i], size = p.root_load[i];
        result.value += user;
        result.magnitude += std::abs(user);
        // No pair beyond this cost can gain: prices of load, places and CPU only add to it.
        const double left = user - p.base[i] - size * cheapest - place;
        if (left <= 0.0) continue;
        const double far = p.slope[i] > 0.0 ? left / p.slope[i] : INFINITE;
        // The nearest stations are in order; where they do not reach far enough, all stations are looked at.
        const auto near = p.order.row(access);
        const bool ordered = near.size() == m || p.distance(access, static_cast<Size>(near.back())) > far;
        for (Size e = 0; e < (ordered ? near.size() : m); ++e) {
            const Size k = ordered ? static_cast<Size>(near[e]) : e;
            const double away = p.distance(access, k);
            if (away > far) {
                if (ordered) break;
                continue;
            }
            const double load = price.load[k];
            double gain = p.base[i] + p.slope[i] * away + load * size + price.place[k] - user;
            // Floors and demands only add to it.
            if (gain >= 0.0 || state[k] < 0) continue;
            const Pair pair = pair_at(p, away, i, k);
            if (pair.cost == INFINITE) continue;
            if (!p.demand.empty()) gain += price.share[k] * p.demand[i] / p.cpu[k];
            if (p.has_floors()) gain += priced_load(size, pair.floor, load, p.worth).cost - load * size;
            if (gain < 0.0) {
                result.server[k] += gain;
                result.reach[i] = std::max(result.reach[i], away);
            }
        }
    }
    for (Size k = 0; k < m; ++k)
        if (state[k] > 0 || (state[k] == 0 && result.server[k] < 0.0)) result.value += result.server[k];
    return result;
}

}  // namespace dtopt
