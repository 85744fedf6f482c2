#include "solvers/core/knapsack_dual.hpp"

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

}  // namespace

KnapsackDual::KnapsackDual(Data data, Doubles prices)
    : data_(std::move(data)), prices_(std::move(prices)), value_(-NEVER), gain_(prices_.size()) {
    std::int64_t most = 0;
    for (const std::int64_t room : data_.room) most = std::max(most, room);
    nothing_.assign(static_cast<Size>(most) + 1, 0.0);
}

void KnapsackDual::set_prices(Doubles prices) {
    prices_ = std::move(prices);
    value_ = -NEVER;
}

void KnapsackDual::fill(Size server, std::span<const double> prices, KnapsackTable::Reach reach) {
    const auto cost = std::as_const(data_.cost).row(server);
    for (Size i = 0; i < gain_.size(); ++i) gain_[i] = cost[i] - prices[i];
    const std::span<const double> last{nothing_.data(), static_cast<Size>(data_.room[server]) + 1};
    table_.fill({std::as_const(data_.weight).row(server), last, LastCost::FLAT}, gain_, reach);
}

double KnapsackDual::ascend(double target, const KnapsackParams& params, Cancellation& cancellation) {
    const Size n = prices_.size(), m = data_.room.size();
    Doubles price = prices_, direction(n, 0.0);
    Integers count(n);
    double length = 1.0, before = value_;
    std::int64_t steps = 0, halvings = 0;
    while (halvings < params.halvings) {
        double value = data_.constant + sum_of(price);
        std::fill(count.begin(), count.end(), 0);
        for (Size k = 0; k < m; ++k) {
            if (cancellation.requested()) return value_;
            fill(k, price, KnapsackTable::Reach::GAINING);
            const double server = data_.empty[k] + table_.value();
            if (data_.forced[k] == 0 && !(server < 0.0)) continue;
            value += server;
            table_.take(count);
        }
        if (value > value_) {
            value_ = value;
            prices_ = price;
        }
        if (value >= target) break;
        for (Size i = 0; i < n; ++i)
            direction[i] = 1.0 - static_cast<double>(count[i]) + params.memory * direction[i];
        const double size = lane_sum(0, n, [&](Size i) { return direction[i] * direction[i]; });
        if (size == 0.0) break;
        // Without a target the ascent aims a tenth above the best value.
        const double aim = target < NEVER ? target : value_ + 0.1 * std::fabs(value_);
        const double step = length * (aim - value) / size;
        for (Size i = 0; i < n; ++i) price[i] += step * direction[i];
        if (++steps % params.slice != 0) continue;
        if (!(value_ > before + params.least_gain * std::fabs(before))) {
            ++halvings;
            length *= 0.5;
            price = prices_;
            std::fill(direction.begin(), direction.end(), 0.0);
        }
        before = value_;
    }
    return value_;
}

Matrix<double> KnapsackDual::pair_bounds(Cancellation& cancellation) {
    const Size n = prices_.size(), m = data_.room.size();
    Matrix<double> bounds(m, n);
    Doubles others(n, 0.0), with(n), without(n);
    double whole = data_.constant + sum_of(prices_);
    for (Size k = 0; k < m; ++k) {
        if (cancellation.requested()) return {m, n, -NEVER};
        fill(k, prices_, KnapsackTable::Reach::ALL);
        std::fill(with.begin(), with.end(), NEVER);
        std::fill(without.begin(), without.end(), NEVER);
        table_.lower_pair_values(with, without);
        const auto counted = [&](double server) { return data_.forced[k] != 0 ? server : std::min(0.0, server); };
        const double now = counted(data_.empty[k] + table_.value());
        whole += now;
        for (Size i = 0; i < n; ++i) {
            const double gone = counted(data_.empty[k] + without[i]);
            others[i] += gone - now;
            bounds(k, i) = data_.empty[k] + with[i] - gone;
        }
    }
    for (Size k = 0; k < m; ++k)
        for (Size i = 0; i < n; ++i) bounds(k, i) += whole + others[i];
    return bounds;
}

void KnapsackDual::keep(MatrixView<const bool> kept) {
    for (Size k = 0; k < data_.room.size(); ++k)
        for (Size i = 0; i < prices_.size(); ++i)
            if (!kept(i, k)) data_.cost(k, i) = NEVER;
    value_ = -NEVER;
}

}  // namespace dtopt
