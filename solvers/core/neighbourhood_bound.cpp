#include "solvers/core/neighbourhood_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "dtopt/core/sums.hpp"

namespace dtopt {

namespace {

constexpr double NEVER = std::numeric_limits<double>::infinity();

double sum_of(std::span<const double> values) {
    return lane_sum(0, values.size(), [&](Size j) { return values[j]; });
}

double squares_of(std::span<const double> values) {
    return lane_sum(0, values.size(), [&](Size j) { return values[j] * values[j]; });
}

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
               const NeighbourhoodParams& params) {
    const Size n = view.users(), m = view.servers();
    c.shape = LastCost::RISING;
    Doubles load(m, 0.0);
    for (Size i = 0; i < n; ++i) load[static_cast<Size>(slots[i])] += view.size[i];
    const double all = sum_of(load), cpu = sum_of(view.cpu);
    const auto most_grains = static_cast<double>(params.grains);
    for (Size k = 0; k < m; ++k) {
        const double even = all * view.cpu[k] / cpu;
        const double most = std::min(params.growth * std::max(load[k], even), all);
        const double grain = std::max(most, 1e-300) / most_grains;
        const double rate = 2.0 * (load[k] > 0.0 ? load[k] : even) / view.cpu[k];
        for (Size i = 0; i < n; ++i) {
            const double grains = std::min(std::rint(view.size[i] / grain), most_grains + 1.0);
            c.grains(k, i) = static_cast<std::int32_t>(grains);
            c.cost(k, i) = view.cost(i, k) + rate * (view.size[i] - grain * grains);
        }
        Doubles& last = c.last.emplace_back(static_cast<Size>(params.grains) + 1);
        for (Size r = 0; r < last.size(); ++r) {
            const double held = static_cast<double>(r) * grain;
            last[r] = held * held / view.cpu[k];
        }
    }
}

// Each number of users on a server is a case.
void count_users(ServerCases& c, const PlacementView& view, std::span<const std::int32_t> slots,
                 const NeighbourhoodParams& params) {
    const Size n = view.users(), m = view.servers();
    Integers count(m, 0);
    for (const std::int32_t k : slots) ++count[static_cast<Size>(k)];
    const auto largest = static_cast<double>(*std::max_element(count.begin(), count.end()));
    const double even = static_cast<double>(n) / static_cast<double>(m);
    c.cases = std::min(n, static_cast<Size>(params.growth * std::max(largest, even)) + 1);
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

std::int64_t ServerCases::entries() const {
    Size entries = 0;
    for (const Doubles& costs : last) entries += costs.size() * users();
    return static_cast<std::int64_t>(entries);
}

ServerCases ServerCases::ordered(std::span<const Size> order) const {
    ServerCases other = *this;
    for (Size d = 0; d < order.size(); ++d) {
        for (Size k = 0; k < grains.rows(); ++k) other.grains(k, d) = grains(k, order[d]);
        for (Size row = 0; row < cost.rows(); ++row) other.cost(row, d) = cost(row, order[d]);
    }
    return other;
}

ServerCases make_cases(const PlacementView& view, std::span<const std::int32_t> slots,
                       const Matrix<std::int32_t>& weight, std::span<const std::int64_t> room,
                       const NeighbourhoodParams& params) {
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
        cut_loads(c, view, slots, params);
    else
        count_users(c, view, slots, params);
    return c;
}

NeighbourhoodBound::NeighbourhoodBound(const ServerCases& cases, Prices prices)
    : cases_(cases), prices_(std::move(prices)), tables_(cases.last.size()), gain_(cases.users()) {}

bool NeighbourhoodBound::fill(KnapsackTable::Reach reach, Cancellation& cancellation) {
    for (Size k = 0; k < cases_.servers(); ++k) {
        for (Size q = 0; q < cases_.cases; ++q) {
            if (cancellation.requested()) return false;
            const Size row = k * cases_.cases + q;
            for (Size i = 0; i < gain_.size(); ++i) gain_[i] = priced(k, q, i);
            tables_[row].fill({cases_.grains.row(k), cases_.last[row], cases_.shape}, gain_, reach);
        }
    }
    return true;
}

double NeighbourhoodBound::climb(double target, const NeighbourhoodParams& params, Cancellation& cancellation) {
    const Size n = cases_.users(), m = cases_.servers();
    Prices best_prices = prices_;
    Doubles direction(n, 0.0), place_direction(m, 0.0), place_slope(m);
    Integers count(n);
    double best = -NEVER, length = 1.0;
    std::int64_t since = 0;
    for (std::int64_t step = 0; step < params.climbs; ++step) {
        if (!fill(KnapsackTable::Reach::GAINING, cancellation)) break;
        double value = sum_of(prices_.user);
        std::fill(count.begin(), count.end(), 0);
        for (Size k = 0; k < m; ++k) {
            place_slope[k] = 0.0;
            Size best_case = 0;
            for (Size q = 1; q < cases_.cases; ++q)
                if (table(k, q).value() < table(k, best_case).value()) best_case = q;
            const double server = table(k, best_case).value() + empty(k);
            if (!(server < 0.0)) continue;
            value += server;
            place_slope[k] = static_cast<double>(table(k, best_case).take(count) - cases_.places[k]);
        }
        if (value > best) {
            since = value > best + 1e-6 * std::fabs(best) ? 0 : since + 1;
            best = value;
            best_prices = prices_;
        } else {
            ++since;
        }
        if (value >= target) break;
        if (since >= params.patience) {
            since = 0;
            length *= 0.5;
            prices_ = best_prices;
            std::fill(direction.begin(), direction.end(), 0.0);
            std::fill(place_direction.begin(), place_direction.end(), 0.0);
            if (length < params.shortest) break;
            continue;
        }
        for (Size i = 0; i < n; ++i)
            direction[i] = 1.0 - static_cast<double>(count[i]) + params.memory * direction[i];
        for (Size k = 0; k < m; ++k) {
            const bool bounded = cases_.places[k] < static_cast<std::int64_t>(n);
            place_direction[k] = bounded ? place_slope[k] + params.memory * place_direction[k] : 0.0;
        }
        const double size = squares_of(direction) + squares_of(place_direction);
        if (size == 0.0) break;
        const double stride = length * (target - value) / size;
        for (Size i = 0; i < n; ++i) prices_.user[i] += stride * direction[i];
        for (Size k = 0; k < m; ++k)
            prices_.place[k] = std::max(0.0, prices_.place[k] + stride * place_direction[k]);
    }
    prices_ = std::move(best_prices);
    return best;
}

Matrix<double> NeighbourhoodBound::pair_bounds() {
    const Size n = cases_.users(), m = cases_.servers();
    Matrix<double> bounds(m, n);
    Doubles others(n, 0.0), with(n), without(n);
    double whole = sum_of(prices_.user);
    for (Size k = 0; k < m; ++k) {
        std::fill(with.begin(), with.end(), NEVER);
        std::fill(without.begin(), without.end(), NEVER);
        double least = NEVER;
        for (Size q = 0; q < cases_.cases; ++q) {
            KnapsackTable& one = tables_[k * cases_.cases + q];
            least = std::min(least, one.value());
            one.lower_pair_values(with, without);
        }
        const double now = std::min(0.0, empty(k) + least);
        whole += now;
        for (Size i = 0; i < n; ++i) {
            const double gone = std::min(0.0, empty(k) + without[i]);
            others[i] += gone - now;
            bounds(k, i) = empty(k) + with[i] - gone;
        }
    }
    for (Size k = 0; k < m; ++k)
        for (Size i = 0; i < n; ++i) bounds(k, i) += whole + others[i];
    return bounds;
}

}  // namespace dtopt
