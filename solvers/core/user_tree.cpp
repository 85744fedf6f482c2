#include "solvers/core/user_tree.hpp"

#include <algorithm>
#include <utility>

namespace dtopt {

namespace {

constexpr double NEVER = std::numeric_limits<double>::infinity();

}  // namespace

UserTree::UserTree(KnapsackBound bound, std::span<const Size> order, PlacementState& judge)
    : bound_(std::move(bound)),
      cases_(bound_.cases()),
      tables_(cases_.last.size()),
      order_(order),
      judge_(judge),
      fits_(judge.view().data == PairData::FITTING || judge.view().data == PairData::CLAMPED),
      servers_(cases_.servers()),
      levels_(cases_.users()),
      slots_(cases_.users()),
      base_(cases_.servers()) {
    for (const double price : bound_.prices().user) prices_ += price;
}

bool UserTree::fill_tables(Cancellation& cancellation) {
    for (Size k = 0; k < cases_.servers(); ++k) {
        for (Size q = 0; q < cases_.cases; ++q) {
            if (cancellation.requested()) return false;
            bound_.fill(k, q, bound_.prices(), KnapsackTable::Reach::ALL, tables_[k * cases_.cases + q]);
        }
    }
    return true;
}

double UserTree::completed(Size k, Size d) const {
    const Server& server = servers_[k];
    double least = NEVER;
    for (Size q = cases_.first_case(server.grains); q < cases_.cases; ++q)
        least = std::min(least, server.cost[q] + table(k, q).at(d, server.grains));
    return least;
}

void UserTree::expand(Size d, const Matrix<double>& pair_bounds, double first_cutoff, double cutoff) {
    Level& level = levels_[d];
    level.children.clear();
    level.next = 0;
    double total = prices_;
    for (Size k = 0; k < servers_.size(); ++k) {
        base_[k] = empty(k) + completed(k, d + 1);
        if (servers_[k].count == 0) base_[k] = std::min(0.0, base_[k]);
        total += base_[k];
    }
    for (Size h = 0; h < servers_.size(); ++h) {
        const Server& server = servers_[h];
        if (pair_bounds(h, d) >= first_cutoff || server.count >= cases_.places[h]) continue;
        if (server.count == 0 && open_ >= judge_.view().max_open) continue;
        const Size after = server.grains + static_cast<Size>(cases_.grains(h, d));
        if (after > cases_.room(h) || (fits_ && server.used + part(d, h) > FULL)) continue;
        double least = NEVER;
        for (Size q = cases_.first_case(after); q < cases_.cases; ++q)
            least = std::min(least, server.cost[q] + priced(h, q, d) + table(h, q).at(d + 1, after));
        const double value = total - base_[h] + empty(h) + least;
        if (value >= cutoff) continue;
        auto place = level.children.end();
        while (place != level.children.begin() && std::prev(place)->bound > value) --place;
        level.children.insert(place, {h, value});
    }
}

void UserTree::enter(Size d, Size h) {
    Server& server = servers_[h];
    Level& level = levels_[d];
    level.entered = true;
    level.used_before = server.used;
    level.cost_before = server.cost;
    slots_[order_[d]] = static_cast<std::int32_t>(h);
    if (server.count++ == 0) ++open_;
    server.grains += static_cast<Size>(cases_.grains(h, d));
    server.used += part(d, h);
    for (Size q = 0; q < cases_.cases; ++q) server.cost[q] += priced(h, q, d);
}

void UserTree::leave(Size d) {
    Level& level = levels_[d];
    if (!level.entered) return;
    level.entered = false;
    const auto h = static_cast<Size>(slots_[order_[d]]);
    Server& server = servers_[h];
    if (--server.count == 0) --open_;
    server.grains -= static_cast<Size>(cases_.grains(h, d));
    server.used = level.used_before;
    server.cost = level.cost_before;
}

UserTree::Result UserTree::search(const Matrix<double>& pair_bounds, double cutoff, double step,
                                  std::int64_t most_nodes, Cancellation& cancellation) {
    Result result;
    Poll<64> cancelled(cancellation);
    for (Server& server : servers_) server = {0, 0, 0.0, Doubles(cases_.cases, 0.0)};
    for (Level& level : levels_) level.entered = false;
    open_ = 0;
    const double first_cutoff = cutoff;
    for (Size d = 0; ++result.nodes <= most_nodes && !cancelled();) {
        expand(d, pair_bounds, first_cutoff, cutoff);
        for (;;) {
            leave(d);
            Level& level = levels_[d];
            if (level.next == level.children.size() || level.children[level.next].bound >= cutoff) {
                if (d == 0) {
                    result.complete = true;
                    return result;
                }
                --d;
                continue;
            }
            enter(d, level.children[level.next++].server);
            if (d + 1 < levels_.size()) break;
            judge_.load(slots_);
            if (!judge_.is_feasible() || judge_.cost() >= cutoff) continue;
            result.cost = judge_.cost();
            result.slots = slots_;
            cutoff = result.cost - step;
        }
        ++d;
    }
    return result;
}

}  // namespace dtopt
