#include "solvers/core/penalised.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace dtopt {

namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();

}  // namespace

PenalisedAssociation::PenalisedAssociation(const PlacementView& view, std::span<const double> share_price,
                                           std::span<const double> place_price, std::span<const char> usable)
    : members(view.servers()),
      association(view.users()),
      max_open(view.max_open),
      pairs_(view.servers(), view.users(), Pair{INFINITE, 0.0}),
      start_(view.users() + 1, 0),
      place_(view.users()) {
    const Size n = view.users(), m = view.servers();
    for (Size k = 0; k < m; ++k)
        servers.push_back({view.opening[k], share_price[k], place_price[k], share_price[k], place_price[k], 0.0,
                           std::min(view.capacity[k], static_cast<std::int64_t>(n)), 0});
    for (Size i = 0; i < n; ++i) {
        for (Size k = 0; k < m; ++k) {
            const double part = view.data == PairData::NONE ? 0.0 : view.more(i, k);
            if (!(view.cost(i, k) < INFINITE) || !usable[k] || servers[k].capacity <= 0 || part > FULL) continue;
            pairs_(k, i) = {view.cost(i, k), part};
            options_.push_back({priced(k, i), view.cost(i, k), part, static_cast<std::int32_t>(k)});
        }
        start_[i + 1] = options_.size();
        const auto by_price = [](const Option& a, const Option& b) { return a.priced < b.priced; };
        std::stable_sort(options_.begin() + static_cast<std::ptrdiff_t>(start_[i]), options_.end(), by_price);
        if (start_[i] == options_.size())
            throw std::invalid_argument("user " + std::to_string(i) + " is allowed on no server");
        association[i] = options_[start_[i]].server;
    }
}

Member PenalisedAssociation::member(Size i, Size k) const {
    const Pair& one = pair(k, i);
    return {one.cost, one.part, priced(k, i) - options(i)[0].priced, static_cast<std::int32_t>(i)};
}

void PenalisedAssociation::shift(Size i, Size h) {
    const auto change = [&](Size k, int sign) {
        WeighedServer& server = servers[k];
        const Pair& one = pair(k, i);
        const double before = server.standing();
        const bool was_open = server.count > 0;
        n_lacking -= server.lacks();
        server.used += sign * one.part;
        server.count += sign;
        auto& list = members[k];
        if (sign > 0) {
            place_[i] = static_cast<std::int32_t>(list.size());
            list.push_back(member(i, k));
        } else {
            list[static_cast<Size>(place_[i])] = list.back();
            place_[static_cast<Size>(list.back().user)] = place_[i];
            list.pop_back();
        }
        cost += sign * one.cost;
        penalised += sign * one.cost;
        penalised += server.standing() - before;
        n_lacking += server.lacks();
        if (was_open != (server.count > 0)) {
            cost += sign * server.opening;
            // What is over the limit after opening, or was before closing.
            if (n_open + (sign > 0 ? 1 : 0) > max_open) penalised += sign * open_weight;
            n_open += sign;
        }
    };
    change(static_cast<Size>(association[i]), -1);
    change(h, 1);
    association[i] = static_cast<std::int32_t>(h);
}

void PenalisedAssociation::reload() {
    for (Size k = 0; k < servers.size(); ++k) {
        members[k].clear();
        servers[k].used = 0.0;
        servers[k].count = 0;
    }
    cost = 0.0;
    for (Size i = 0; i < users(); ++i) {
        const auto k = static_cast<Size>(association[i]);
        const Pair& one = pair(k, i);
        place_[i] = static_cast<std::int32_t>(members[k].size());
        members[k].push_back(member(i, k));
        servers[k].used += one.part;
        ++servers[k].count;
        cost += one.cost;
    }
    penalised = cost;
    n_open = n_lacking = 0;
    for (const WeighedServer& server : servers) {
        penalised += server.standing();
        n_lacking += server.lacks();
        if (server.count == 0) continue;
        ++n_open;
        cost += server.opening;
    }
    penalised += open_weight * static_cast<double>(std::max<std::int64_t>(0, n_open - max_open));
}

double PenalisedAssociation::exact_cost() const {
    // In the order of users, so that it depends on nothing but the association.
    Doubles used(servers.size(), 0.0);
    Integers count(servers.size(), 0);
    double sum = 0.0;
    for (Size i = 0; i < users(); ++i) {
        const auto k = static_cast<Size>(association[i]);
        sum += pair(k, i).cost;
        used[k] += pair(k, i).part;
        ++count[k];
    }
    std::int64_t open = 0;
    for (Size k = 0; k < servers.size(); ++k) {
        if (count[k] == 0) continue;
        if (servers[k].lacks(used[k], count[k]) || ++open > max_open) return INFINITE;
        sum += servers[k].opening;
    }
    return sum;
}

}  // namespace dtopt
