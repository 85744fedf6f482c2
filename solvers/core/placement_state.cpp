#include "solvers/core/placement_state.hpp"

#include <cassert>
#include <cmath>

namespace dtopt {

PlacementState::PlacementState(const PlacementView& view, const PenaltyParams& penalties)
    : view_(view),
      penalties_(penalties),
      users_(view.users()),
      servers_(view.servers()),
      prices_(view.servers()),
      capacity_(view.capacity),
      has_parts_(view.has_parts()),
      has_times_(view.has_times()) {
    for (auto& capacity : capacity_) capacity = std::min(capacity, static_cast<std::int64_t>(view.users()));
}

void PlacementState::load(std::span<const std::int32_t> slots) {
    assert(slots.size() == users_.size());
    for (auto& server : servers_) server.members.clear();
    for (Size i = 0; i < users_.size(); ++i) {
        const std::int32_t k = view_.station(i, slots[i]);
        auto& members = servers_[k].members;
        users_[i] = {k, slots[i], static_cast<std::int32_t>(members.size())};
        members.push_back(static_cast<std::int32_t>(i));
    }
    sum_servers();
    least_gain_ = penalties_.least_gain * std::abs(cost_);
    open_weight_ = penalties_.strict * std::abs(cost_);
    for (auto& server : servers_) server.weight = open_weight_;
    sum_excess();
}

void PlacementState::resum() {
    sum_servers();
    sum_excess();
}

void PlacementState::weigh(double weight) {
    for (auto& server : servers_) server.weight = weight;
    resum();
}

void PlacementState::sum_servers() {
    log_.clear();
    moves_ = open_ = overloaded_ = 0;
    cost_ = 0.0;
    for (Size k = 0; k < servers_.size(); ++k) {
        ServerState& server = servers_[k];
        static_cast<ServerSums&>(server) = {};
        server.limit = static_cast<std::int64_t>(users_.size());
        for (const std::int32_t i : server.members) {
            const std::int32_t c = users_[i].slot;
            cost_ += view_.cost(i, c);
            server.load += view_.size[i];
            if (has_parts_) server.used += view_.more(i, c);
            if (has_times_) server.urgency = std::max(server.urgency, urgency_of(i, c));
            if (view_.data == PairData::LIMITED)
                server.limit = std::min(server.limit, static_cast<std::int64_t>(view_.more(i, c)));
        }
        server.value = value_with(k, -1, -1, 0, server.load, server.count(), server.urgency);
        cost_ += server.value;
        if (server.count() > 0) {
            cost_ += view_.opening[k];
            ++open_;
        }
        overloaded_ += is_overloaded(k);
    }
}

void PlacementState::sum_excess() {
    excess_ = 0.0;
    for (Size k = 0; k < servers_.size(); ++k) {
        excess_ += excess_of(k);
        set_price(k);
    }
    excess_ += open_excess();
}

std::vector<std::int32_t> PlacementState::slots() const {
    std::vector<std::int32_t> slots(users_.size());
    for (Size i = 0; i < slots.size(); ++i) slots[i] = users_[i].slot;
    return slots;
}

std::vector<std::int32_t> PlacementState::slots_before() const {
    auto before = slots();
    for (auto move = log_.rbegin(); move != log_.rend(); ++move) before[move->user] = move->slot;
    return before;
}

double PlacementState::value_with(Size server, std::int32_t out, std::int32_t in, std::int32_t slot, double load,
                                  std::int64_t count, double urgency) const {
    const double cpu = view_.cpu[server], plain = compute_cost(view_.sharing, load, count, cpu);
    if (count == 0 || !has_times_) return plain;
    const auto each = [&](auto visit) {
        for (const std::int32_t i : servers_[server].members)
            if (i != out) visit(static_cast<Size>(i), static_cast<Size>(users_[i].slot));
        if (in >= 0) visit(static_cast<Size>(in), static_cast<Size>(slot));
    };
    if (view_.data == PairData::LATE) {
        const double x = (view_.sharing == Sharing::OPTIMAL ? load : static_cast<double>(count)) / cpu;
        return x * urgency <= 1.0 ? plain : plain + view_.penalty * total_lateness(view_, x, each);
    }
    return load * urgency <= 1.0 ? plain : clamped_cost(view_, load, cpu, plain, each);
}

std::int64_t PlacementState::limit_without(Size k, std::int32_t out) const {
    auto limit = static_cast<std::int64_t>(users_.size());
    for (const std::int32_t i : servers_[k].members)
        if (i != out) limit = std::min(limit, static_cast<std::int64_t>(view_.more(i, users_[i].slot)));
    return limit;
}

double PlacementState::leaving(std::int32_t user) const {
    const auto [k, c, place] = users_[user];
    const ServerState& from = servers_[k];
    const std::int64_t count = from.count();
    double change = -view_.cost(user, c) - from.value;
    const double now = excess_of(k);
    if (count == 1) return change - view_.opening[k] - now;
    change += value_with(k, user, -1, 0, from.load - view_.size[user], count - 1, from.urgency);
    if (now > 0.0) {
        double used = from.used;
        std::int64_t limit = from.limit;
        if (has_parts_)
            used -= view_.more(user, c);
        else if (view_.data == PairData::LIMITED && static_cast<std::int64_t>(view_.more(user, c)) == limit)
            limit = limit_without(k, user);
        change += excess_of(k, used, count - 1, limit) - now;
    }
    return change;
}

double PlacementState::joining(std::int32_t user, std::int32_t slot) const {
    const std::int32_t h = view_.station(user, slot);
    const ServerState& to = servers_[h];
    double used = to.used, urgency = to.urgency;
    std::int64_t limit = to.limit;
    double change = view_.cost(user, slot) - to.value - excess_of(h);
    if (has_times_) urgency = std::max(urgency, urgency_of(user, slot));
    change += value_with(h, -1, user, slot, to.load + view_.size[user], to.count() + 1, urgency);
    if (has_parts_)
        used += view_.more(user, slot);
    else if (view_.data == PairData::LIMITED)
        limit = std::min(limit, static_cast<std::int64_t>(view_.more(user, slot)));
    return change + excess_of(h, used, to.count() + 1, limit);
}

void PlacementState::set_price(Size k) {
    const ServerState& server = servers_[k];
    const std::int64_t count = server.count();
    const double cpu = view_.cpu[k];
    JoiningPrice& price = prices_[k];
    price.linear = price.square = 0.0;
    if (count == 0 && static_cast<std::int32_t>(k) != may_open_) {
        price.first = std::numeric_limits<double>::infinity();
        return;
    }
    price.first = compute_cost(view_.sharing, server.load, count, cpu) - server.value;
    if (count + 1 > places(k)) price.first += server.weight;
    if (view_.sharing == Sharing::OPTIMAL) {
        price.linear = 2.0 * server.load / cpu;
        price.square = 1.0 / cpu;
    } else if (view_.sharing == Sharing::EQUAL) {
        price.first += server.load / cpu;
        price.linear = static_cast<double>(count + 1) / cpu;
    }
}

void PlacementState::let_open(std::int32_t server) {
    const std::int32_t before = may_open_;
    may_open_ = server;
    if (before >= 0) set_price(before);
    if (server >= 0) set_price(server);
}

void PlacementState::shift(std::int32_t user, std::int32_t slot) {
    const auto [k, c, place] = users_[user];
    const std::int32_t h = view_.station(user, slot);
    ServerState &from = servers_[k], &to = servers_[h];
    log_.push_back({user, c, place, from, to});
    ++moves_;
    double cost = view_.cost(user, slot) - view_.cost(user, c) - from.value - to.value;
    double excess = -open_excess() - excess_of(k);
    excess -= excess_of(h);
    overloaded_ -= is_overloaded(k) + is_overloaded(h);

    const std::int32_t last = from.members.back();
    from.members[place] = last;
    users_[last].place = place;
    from.members.pop_back();
    users_[user] = {h, slot, static_cast<std::int32_t>(to.members.size())};
    to.members.push_back(user);

    const double size = view_.size[user];
    from.load -= size;
    to.load += size;
    if (has_parts_) {
        from.used -= view_.more(user, c);
        to.used += view_.more(user, slot);
    } else if (view_.data == PairData::LIMITED) {
        if (static_cast<std::int64_t>(view_.more(user, c)) == from.limit) from.limit = limit_without(k, -1);
        to.limit = std::min(to.limit, static_cast<std::int64_t>(view_.more(user, slot)));
    }
    if (from.members.empty()) {
        from.load = from.used = 0.0;
        cost -= view_.opening[k];
        --open_;
    }
    if (to.count() == 1) {
        cost += view_.opening[h];
        ++open_;
    }
    if (has_times_) {
        if (urgency_of(user, c) >= from.urgency) {
            from.urgency = 0.0;
            for (const std::int32_t i : from.members)
                from.urgency = std::max(from.urgency, urgency_of(i, users_[i].slot));
        }
        to.urgency = std::max(to.urgency, urgency_of(user, slot));
    }
    from.value = value_with(k, -1, -1, 0, from.load, from.count(), from.urgency);
    to.value = value_with(h, -1, -1, 0, to.load, to.count(), to.urgency);
    cost_ += cost + from.value + to.value;
    overloaded_ += is_overloaded(k) + is_overloaded(h);
    if (is_feasible()) {
        excess_ = 0.0;
    } else {
        excess += excess_of(k);
        excess += excess_of(h);
        excess_ += excess + open_excess();
    }
    set_price(k);
    set_price(h);
}

void PlacementState::undo(const Mark& mark) {
    while (log_.size() > mark.moves) {
        const Move move = log_.back();
        log_.pop_back();
        const std::int32_t h = users_[move.user].server, k = view_.station(move.user, move.slot);
        ServerState &to = servers_[h], &from = servers_[k];
        overloaded_ -= is_overloaded(h) + is_overloaded(k);
        // All later moves are undone, so the user is the last member where it came to.
        to.members.pop_back();
        const auto place = static_cast<Size>(move.place);
        if (place < from.members.size()) {
            const std::int32_t other = from.members[place];
            users_[other].place = static_cast<std::int32_t>(from.members.size());
            from.members.push_back(other);
            from.members[place] = move.user;
        } else {
            from.members.push_back(move.user);
        }
        users_[move.user] = {k, move.slot, move.place};
        open_ += (from.count() == 1) - to.members.empty();
        static_cast<ServerSums&>(from) = move.from;
        static_cast<ServerSums&>(to) = move.to;
        overloaded_ += is_overloaded(h) + is_overloaded(k);
        set_price(k);
        set_price(h);
    }
    cost_ = mark.cost;
    excess_ = mark.excess;
}

void PlacementState::reweigh(double ease, double press) {
    const bool fits = overloaded_ == 0;
    excess_ = 0.0;
    for (Size k = 0; k < servers_.size(); ++k) {
        const double factor = fits ? ease : (is_overloaded(k) ? press : 1.0);
        if (factor != 1.0) {
            servers_[k].weight *= factor;
            set_price(k);
        }
        excess_ += excess_of(k);
    }
    excess_ += open_excess();
}

}  // namespace dtopt
