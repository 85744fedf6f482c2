#include "solvers/core/neighbourhood.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "solvers/core/placement_state.hpp"
#include "solvers/core/server_cases.hpp"
#include "solvers/core/user_tree.hpp"

namespace dtopt {

namespace {

// Return users in the order to decide them in: those without a choice, then large ones with little choice.
std::vector<Size> deciding_order(const ServerCases& cases, const Matrix<double>& pair_bounds, double cutoff) {
    const Size n = cases.users();
    std::vector<Size> order(n);
    std::iota(order.begin(), order.end(), Size{0});
    std::vector<char> has_choice(n);
    Doubles urgency(n);
    for (Size i = 0; i < n; ++i) {
        double choices = 0.0, grains = 0.0;
        for (Size k = 0; k < cases.servers(); ++k) {
            if (pair_bounds(k, i) >= cutoff) continue;
            choices += 1.0;
            grains += static_cast<double>(cases.grains(k, i));
        }
        has_choice[i] = choices > 1.0;
        choices = std::max(choices, 1.0);
        urgency[i] = grains / (choices * choices);
    }
    std::stable_sort(order.begin(), order.end(), [&](Size a, Size b) {
        return has_choice[a] != has_choice[b] ? has_choice[a] < has_choice[b] : urgency[a] > urgency[b];
    });
    return order;
}

double cost_of(PlacementState& state, std::span<const std::int32_t> slots) {
    state.load(slots);
    return state.cost();
}

}  // namespace

NeighbourhoodSearch::NeighbourhoodSearch(const PlacementView& view, KnapsackPrices prices,
                                         Matrix<std::int32_t> weight, Integers room, const NeighbourhoodParams& params)
    : view_(view), prices_(std::move(prices)), weight_(std::move(weight)), room_(std::move(room)), params_(params) {}

NeighbourhoodSearch::Part NeighbourhoodSearch::part_of(std::span<const std::int64_t> association,
                                                       std::span<const std::int64_t> servers) const {
    const Size m = servers.size();
    Part part;
    std::vector<std::int32_t> place(view_.servers(), -1);
    std::vector<char> is_open(view_.servers(), 0);
    for (Size k = 0; k < m; ++k) place[static_cast<Size>(servers[k])] = static_cast<std::int32_t>(k);
    std::int64_t open_elsewhere = 0;
    for (Size i = 0; i < association.size(); ++i) {
        const auto server = static_cast<Size>(association[i]);
        if (place[server] >= 0) {
            part.users.push_back(i);
            part.slots.push_back(place[server]);
        } else if (is_open[server] == 0) {
            is_open[server] = 1;
            ++open_elsewhere;
        }
    }
    const Size n = part.users.size();
    PlacementView& view = part.view;
    view.penalty = view_.penalty;
    view.max_open = view_.max_open - open_elsewhere;
    view.sharing = view_.sharing;
    view.data = view_.data;
    view.dense = true;
    view.station = Matrix<std::int32_t>(n, m);
    view.cost = Matrix<double>(n, m);
    if (!view_.more.empty()) view.more = Matrix<double>(n, m);
    view.near = Matrix<std::int32_t>(m, 1, -1);
    if (!room_.empty()) part.weight = Matrix<std::int32_t>(m, n);
    for (Size j = 0; j < n; ++j) {
        const Size i = part.users[j];
        view.size.push_back(view_.size[i]);
        view.rate.push_back(view_.rate[i]);
        part.prices.user.push_back(prices_.user[i]);
        for (Size k = 0; k < m; ++k) {
            const auto server = static_cast<Size>(servers[k]);
            view.station(j, k) = static_cast<std::int32_t>(k);
            view.cost(j, k) = view_.cost(i, server);
            if (!view_.more.empty()) view.more(j, k) = view_.more(i, server);
            if (!room_.empty()) part.weight(k, j) = weight_(server, i);
        }
    }
    for (Size k = 0; k < m; ++k) {
        const auto server = static_cast<Size>(servers[k]);
        view.cpu.push_back(view_.cpu[server]);
        view.opening.push_back(view_.opening[server]);
        view.capacity.push_back(view_.capacity[server]);
        part.prices.place.push_back(prices_.place[server]);
        if (!room_.empty()) part.room.push_back(room_[server]);
    }
    return part;
}

NeighbourhoodSearch::Outcome NeighbourhoodSearch::solve(std::span<const std::int64_t> association,
                                                        std::span<const std::int64_t> servers, std::int64_t nodes,
                                                        double step, MatrixView<const double> noise,
                                                        Cancellation& cancellation) {
    const Part part = part_of(association, servers);
    Outcome outcome;
    const Size n = part.users.size(), m = servers.size();
    outcome.complete = true;
    if (n == 0 || m < 2 || part.view.max_open < 1) return outcome;
    PlacementView view = part.view;
    if (!noise.empty()) {
        step = 0.0;
        for (Size j = 0; j < n; ++j)
            for (Size k = 0; k < m; ++k) view.cost(j, k) += noise(part.users[j], static_cast<Size>(servers[k]));
    }
    PlacementState judge(view);
    const double current = cost_of(judge, part.slots);
    const double least = std::max(0.5 * step, 1e-9 * std::fabs(current)), cutoff = current - least;
    ServerCases cases = make_cases(view, part.slots, part.weight, part.room, params_.grains, params_.growth);
    outcome.complete = false;
    if (cases.entries() > params_.most_entries) return outcome;

    KnapsackBound bound(std::move(cases), part.prices);
    const double value = bound.climb(cutoff + 1e-6 * std::fabs(current), params_, cancellation);
    if (noise.empty())
        for (Size j = 0; j < n; ++j) prices_.user[part.users[j]] = bound.prices().user[j];
    if (value >= cutoff) {
        outcome.complete = true;
        return outcome;
    }
    const Matrix<double> pair_bounds = bound.pair_bounds(cancellation);
    const std::vector<Size> order = deciding_order(bound.cases(), pair_bounds, cutoff);
    Matrix<double> ordered_bounds(m, n);
    for (Size d = 0; d < n; ++d)
        for (Size k = 0; k < m; ++k) ordered_bounds(k, d) = pair_bounds(k, order[d]);
    UserTree tree(bound.ordered(order), order, judge);
    if (!tree.fill_tables(cancellation)) return outcome;
    UserTree::Result found;
    // A search for what is much better is over soon, and where there is any it is found first.
    for (const double share : {params_.first_part, 1.0}) {
        const double below = value + share * (cutoff - value);
        found = tree.search(ordered_bounds, below, least, nodes - outcome.nodes, cancellation);
        outcome.nodes += found.nodes;
        if (!found.slots.empty() || !found.complete) break;
    }
    outcome.complete = found.complete;
    if (found.slots.empty()) return outcome;
    PlacementState exact(part.view);
    const double before = cost_of(exact, part.slots);
    outcome.change = cost_of(exact, found.slots) - before;
    outcome.association.assign(association.begin(), association.end());
    for (Size j = 0; j < n; ++j) outcome.association[part.users[j]] = servers[static_cast<Size>(found.slots[j])];
    return outcome;
}

NeighbourhoodSearch::Bounds NeighbourhoodSearch::bounds(std::span<const std::int64_t> association,
                                                        std::span<const std::int64_t> servers, double target,
                                                        Cancellation& cancellation) {
    const Part part = part_of(association, servers);
    Bounds bounds;
    if (part.users.empty()) return bounds;
    PlacementState state(part.view);
    bounds.cost = cost_of(state, part.slots);
    KnapsackBound bound(make_cases(part.view, part.slots, part.weight, part.room, params_.grains, params_.growth),
                        part.prices);
    bounds.bound = bound.climb(target, params_, cancellation);
    bounds.pairs = bound.pair_bounds(cancellation);
    return bounds;
}

}  // namespace dtopt
