#include "solvers/core/server_cases.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dtopt {

namespace {

constexpr double NEVER = std::numeric_limits<double>::infinity();

// The users of a server fill a knapsack.
void fill_knapsacks(ServerCases& c, const PlacementView& view, const Matrix<std::int32_t>& weight,
                    std::span<const std::int64_t> room) {
    c.grains = weight;
    for (Size k = 0; k < view.servers(); ++k) {
        c.last.emplace_back(static_cast<Size>(room[k]) + 1, 0.0);
        for (Size i = 0; i < view.users(); ++i) c.cost(k, i) = view.cost(i, k);
    }
}

// The load of a server is cut into grains. What rounding leaves out is priced at what load costs there now: the error
// that is left is its square.
void cut_loads(ServerCases& c, const PlacementView& view, std::span<const std::int32_t> slots,
               std::int64_t grains, double growth) {
    const Size n = view.users(), m = view.servers();
    c.shape = LastCost::RISING;
    Doubles load(m, 0.0);
    for (Size i = 0; i < n; ++i) load[static_cast<Size>(slots[i])] += view.size[i];
    double all = 0.0, cpu = 0.0;
    for (Size k = 0; k < m; ++k) {
        all += load[k];
        cpu += view.cpu[k];
    }
    const auto most_grains = static_cast<double>(grains);
    for (Size k = 0; k < m; ++k) {
        const double even = all * view.cpu[k] / cpu;
        const double most = std::min(growth * std::max(load[k], even), all);
        const double grain = std::max(most, 1e-300) / most_grains;
        const double rate = 2.0 * (load[k] > 0.0 ? load[k] : even) / view.cpu[k];
        for (Size i = 0; i < n; ++i) {
            const double rounded = std::min(std::rint(view.size[i] / grain), most_grains + 1.0);
            c.grains(k, i) = static_cast<std::int32_t>(rounded);
            c.cost(k, i) = view.cost(i, k) + rate * (view.size[i] - grain * rounded);
        }
        Doubles& last = c.last.emplace_back(static_cast<Size>(grains) + 1);
        for (Size r = 0; r < last.size(); ++r) {
            const double held = static_cast<double>(r) * grain;
            last[r] = held * held / view.cpu[k];
        }
    }
}

// Each number of users on a server is a case.
void count_users(ServerCases& c, const PlacementView& view, std::span<const std::int32_t> slots,
                 double growth) {
    const Size n = view.users(), m = view.servers();
    Integers count(m, 0);
    for (const std::int32_t k : slots) ++count[static_cast<Size>(k)];
    const auto largest = static_cast<double>(*std::max_element(count.begin(), count.end()));
    const double even = static_cast<double>(n) / static_cast<double>(m);
    c.cases = std::min(n, static_cast<Size>(growth * std::max(largest, even)) + 1);
    c.shape = LastCost::ANY;
    c.cost = Matrix<double>(m * c.cases, n);
    c.grains = Matrix<std::int32_t>(m, n, 1);
    for (Size k = 0; k < m; ++k) {
        for (Size q = 0; q < c.cases; ++q) {
            const auto users = static_cast<double>(q + 1);
            c.last.emplace_back(q + 2, NEVER).back() = 0.0;
            for (Size i = 0; i < n; ++i) {
                const bool allowed = view.data != PairData::LIMITED || users <= view.more(i, k);
                c.cost(k * c.cases + q, i) = allowed ? view.cost(i, k) + users * view.size[i] / view.cpu[k] : NEVER;
            }
        }
    }
}

}  // namespace

ServerCases make_cases(const PlacementView& view, std::span<const std::int32_t> slots,
                       const Matrix<std::int32_t>& weight, std::span<const std::int64_t> room, std::int64_t grains,
                       double growth) {
    const Size n = view.users(), m = view.servers();
    ServerCases c;
    c.cost = Matrix<double>(m, n);
    c.grains = Matrix<std::int32_t>(m, n);
    c.opening = view.opening;
    for (const std::int64_t capacity : view.capacity)
        c.places.push_back(std::min(capacity, static_cast<std::int64_t>(n)));
    if (view.sharing == Sharing::FIXED)
        fill_knapsacks(c, view, weight, room);
    else if (view.sharing == Sharing::OPTIMAL)
        cut_loads(c, view, slots, grains, growth);
    else
        count_users(c, view, slots, growth);
    return c;
}

}  // namespace dtopt
