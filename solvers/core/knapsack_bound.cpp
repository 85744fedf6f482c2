#include "solvers/core/knapsack_bound.hpp"

#include <algorithm>
#include <cmath>
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

}  // namespace

std::int64_t ServerCases::entries() const {
    Size entries = 0;
    for (const Doubles& costs : last) entries += costs.size() * users();
    return static_cast<std::int64_t>(entries);
}

KnapsackBound::KnapsackBound(ServerCases cases, KnapsackPrices prices)
    : cases_(std::move(cases)), prices_(std::move(prices)), tables_(cases_.cases), gain_(cases_.users()) {}

KnapsackBound KnapsackBound::ordered(std::span<const Size> order) const {
    ServerCases cases = cases_;
    KnapsackPrices prices = prices_;
    for (Size d = 0; d < order.size(); ++d) {
        prices.user[d] = prices_.user[order[d]];
        for (Size k = 0; k < cases.grains.rows(); ++k) cases.grains(k, d) = cases_.grains(k, order[d]);
        for (Size row = 0; row < cases.cost.rows(); ++row) cases.cost(row, d) = cases_.cost(row, order[d]);
    }
    return {std::move(cases), std::move(prices)};
}

void KnapsackBound::set_user_prices(Doubles prices) {
    prices_.user = std::move(prices);
    value_ = -NEVER;
}

void KnapsackBound::keep(MatrixView<const bool> kept) {
    for (Size row = 0; row < cases_.cost.rows(); ++row)
        for (Size i = 0; i < cases_.users(); ++i)
            if (!kept(i, row / cases_.cases)) cases_.cost(row, i) = NEVER;
    value_ = -NEVER;
}

void KnapsackBound::fill(Size k, Size q, const KnapsackPrices& prices, KnapsackTable::Reach reach,
                         KnapsackTable& table) {
    for (Size i = 0; i < gain_.size(); ++i) gain_[i] = priced(k, q, i, prices);
    table.fill({std::as_const(cases_.grains).row(k), cases_.last[k * cases_.cases + q], cases_.shape}, gain_, reach);
}

double KnapsackBound::climb(double target, const ClimbParams& params, Cancellation& cancellation) {
    const Size n = cases_.users(), m = cases_.servers();
    KnapsackPrices prices = prices_;
    Doubles direction(n, 0.0), place_direction(m, 0.0), place_slope(m);
    Integers count(n);
    double length = 1.0, reached = value_;
    std::int64_t since = 0;
    for (std::int64_t step = 0; step < params.steps; ++step) {
        double value = cases_.constant + sum_of(prices.user);
        std::fill(count.begin(), count.end(), 0);
        for (Size k = 0; k < m; ++k) {
            Size best = 0;
            for (Size q = 0; q < cases_.cases; ++q) {
                if (cancellation.requested()) return value_;
                fill(k, q, prices, KnapsackTable::Reach::GAINING, tables_[q]);
                if (tables_[q].value() < tables_[best].value()) best = q;
            }
            place_slope[k] = 0.0;
            const double server = counted(k, tables_[best].value() + empty(k, prices));
            if (server == 0.0) continue;
            value += server;
            place_slope[k] = static_cast<double>(tables_[best].take(count) - cases_.places[k]);
        }
        if (value > value_) {
            value_ = value;
            prices_ = prices;
        }
        if (value >= target) break;
        ++since;
        if (value_ > reached + params.least_gain * std::fabs(reached) || step == 0) {
            since = 0;
            reached = value_;
        }
        if (since >= params.patience) {
            since = 0;
            length *= 0.5;
            if (length < params.shortest) break;
            prices = prices_;
            std::fill(direction.begin(), direction.end(), 0.0);
            std::fill(place_direction.begin(), place_direction.end(), 0.0);
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
        // Without a target the ascent aims a tenth above the best value.
        const double aim = target < NEVER ? target : value_ + 0.1 * std::fabs(value_);
        const double stride = length * (aim - value) / size;
        for (Size i = 0; i < n; ++i) prices.user[i] += stride * direction[i];
        for (Size k = 0; k < m; ++k) prices.place[k] = std::max(0.0, prices.place[k] + stride * place_direction[k]);
    }
    return value_;
}

Matrix<double> KnapsackBound::pair_bounds(Cancellation& cancellation) {
    const Size n = cases_.users(), m = cases_.servers();
    Matrix<double> bounds(m, n);
    Doubles others(n, 0.0), with(n), without(n);
    double whole = cases_.constant + sum_of(prices_.user);
    for (Size k = 0; k < m; ++k) {
        std::fill(with.begin(), with.end(), NEVER);
        std::fill(without.begin(), without.end(), NEVER);
        double least = NEVER;
        for (Size q = 0; q < cases_.cases; ++q) {
            if (cancellation.requested()) return {m, n, -NEVER};
            fill(k, q, prices_, KnapsackTable::Reach::ALL, tables_[q]);
            least = std::min(least, tables_[q].value());
            tables_[q].lower_pair_values(with, without);
        }
        const double cost = empty(k, prices_), now = counted(k, cost + least);
        whole += now;
        for (Size i = 0; i < n; ++i) {
            const double gone = counted(k, cost + without[i]);
            others[i] += gone - now;
            bounds(k, i) = cost + with[i] - gone;
        }
    }
    for (Size k = 0; k < m; ++k)
        for (Size i = 0; i < n; ++i) bounds(k, i) += whole + others[i];
    return bounds;
}

}  // namespace dtopt
