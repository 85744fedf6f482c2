// An association under way: its exact cost, what breaks a constraint, moves of users, and undoing them to the last bit.
//
// Constraints on CPU, places and open servers may be broken; the excess is penalised, see `excess`. Use from C++:
//
//     PlacementState state(view);         // the view must outlive it; used again for any number of associations
//     state.load(slots);                  // of each user, the slot of its server in its list
//     sweep(state, users, cancellation);  // moves.hpp: shifts; then exchange(…): swaps and ejections
//     if (state.is_feasible()) found(state.cost(), state.slots());
//
// and from Python the same: `solvers._core.PlacementState(view)` has `load`, `sweep`, `exchange`, `cost`, `is_feasible`
// and `slots`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "solvers/core/placement.hpp"
#include "solvers/core/server_state.hpp"

namespace dtopt {

// How excess is penalised, and which gains count.
struct PenaltyParams {
    double strict = 500.0;      // weight of excess, times the cost of the association loaded: more than moves gain
    double overfull = 0.02;     // a CPU that is overfull by however little counts as this much fuller
    double least_gain = 1e-12;  // moves that gain less than this part of that cost are not made: they may be rounding
};

class PlacementState {
  public:
    struct User {
        std::int32_t server = 0;
        std::int32_t slot = 0;   // of the server in the user's list
        std::int32_t place = 0;  // of the user among the server's members
    };
    // Where undoing leads back to.
    struct Mark {
        Size moves;
        double cost, excess;
    };

    explicit PlacementState(const PlacementView& view, const PenaltyParams& penalties = {});

    // Begin from the slots of all users. Weights of excess, and what gains count, follow from the cost.
    void load(std::span<const std::int32_t> slots);
    // Make all sums again from the members, which drops the rounding errors of many moves. The log is emptied.
    void resum();

    const PlacementView& view() const { return view_; }
    // The cost, excess left out. Open servers are those with users.
    double cost() const { return cost_; }
    // The penalty of what breaks constraints; 0 where nothing does.
    double excess() const { return excess_; }
    bool is_feasible() const { return overloaded_ == 0 && open_ <= view_.max_open; }
    bool has_overload() const { return overloaded_ > 0; }
    std::int64_t open_servers() const { return open_; }
    double least_gain() const { return least_gain_; }
    std::vector<std::int32_t> slots() const;

    const User& user(Size i) const { return users_[i]; }
    const ServerState& server(Size k) const { return servers_[k]; }
    std::span<const std::int32_t> members(Size k) const { return servers_[k].members; }
    const JoiningPrice* prices() const { return prices_.data(); }
    // Places of a server: its capacity, or fewer where its members' deadlines allow fewer.
    std::int64_t places(Size k) const { return std::min(capacity_[k], servers_[k].limit); }

    // Return what the cost and the excess change when a user leaves its server.
    double leaving(std::int32_t user) const;
    // Return a bound from below on that: exact without deadlines and excess.
    double leaving_bound(std::int32_t user) const {
        const User& u = users_[user];
        const ServerState& from = servers_[u.server];
        const std::int64_t count = from.count();
        const double after = compute_cost(view_.sharing, from.load - view_.size[user], count - 1, view_.cpu[u.server]);
        return after - from.value - view_.cost(user, u.slot) - (count == 1 ? view_.opening[u.server] : 0.0);
    }
    // Return what they change when a user joins a server of its list; what opening it costs is left out.
    double joining(std::int32_t user, std::int32_t slot) const;
    // Return a bound from below on that, excess aside: exact without deadlines.
    double joining_bound(std::int32_t user, std::int32_t slot) const {
        const JoiningPrice& price = prices_[view_.station(user, slot)];
        return view_.cost(user, slot) + price.first + price.at(view_.size[user]);
    }
    // Return the exact cost of a server, opening left out, were `out` gone (−1: nobody) and `in` there (−1: nobody) at
    // its slot. Load and count are those after the change; `urgency` is no less than that of any user there.
    double value_with(Size server, std::int32_t out, std::int32_t in, std::int32_t slot, double load,
                      std::int64_t count, double urgency) const;
    // Return the penalty of a server that sets aside `used` of its CPU and has `count` users who allow `limit`.
    double excess_of(Size k, double used, std::int64_t count, std::int64_t limit) const {
        const double weight = servers_[k].weight;
        return cpu_excess(used, weight) + place_excess(count, std::min(capacity_[k], limit), weight);
    }
    double cpu_excess(double used, double weight) const {
        return used > FULL ? weight * (used - 1.0 + penalties_.overfull) : 0.0;
    }
    static double place_excess(std::int64_t count, std::int64_t places, double weight) {
        return count > places ? weight * static_cast<double>(count - places) : 0.0;
    }

    // Move a user to another server of its list; all sums follow, and the log.
    void shift(std::int32_t user, std::int32_t slot);
    Mark mark() const { return {log_.size(), cost_, excess_}; }
    // Undo moves, last first, until the mark.
    void undo(const Mark& mark);
    // Moves made and not forgotten.
    Size logged() const { return log_.size(); }
    void forget() { log_.clear(); }
    // Moves since sums were made, forgotten ones too.
    std::int64_t moves_since_sums() const { return moves_; }
    // Return the slots before the moves in the log.
    std::vector<std::int32_t> slots_before() const;

    // Weigh the excess of all servers by this; the log is emptied.
    void weigh(double weight);
    // Multiply the weights: of all servers by `ease` where none is overloaded, else of the overloaded ones by `press`.
    void reweigh(double ease, double press);
    // Let users join a server although it is empty; −1: none. Only one at a time.
    void let_open(std::int32_t server);

  private:
    struct Move {
        std::int32_t user, slot, place;  // before it
        ServerSums from, to;
    };

    const PlacementView& view_;
    PenaltyParams penalties_;
    std::vector<User> users_;
    std::vector<ServerState> servers_;
    std::vector<JoiningPrice> prices_;
    std::vector<Move> log_;
    Integers capacity_;
    double cost_ = 0.0, excess_ = 0.0, open_weight_ = 0.0, least_gain_ = 0.0;
    std::int64_t open_ = 0, overloaded_ = 0, moves_ = 0;
    std::int32_t may_open_ = -1;
    bool has_parts_, has_times_;  // whether pairs set CPU parts aside; whether costs depend on each user's deadline

    double urgency_of(std::int32_t user, std::int32_t slot) const {
        return urgency(view_.data, view_.more(user, slot), view_.size[user], view_.rate[user]);
    }
    double excess_of(Size k) const { return excess_of(k, servers_[k].used, servers_[k].count(), servers_[k].limit); }
    double open_excess() const {
        return open_weight_ * static_cast<double>(std::max<std::int64_t>(0, open_ - view_.max_open));
    }
    bool is_overloaded(Size k) const { return servers_[k].used > FULL || servers_[k].count() > places(k); }
    std::int64_t limit_without(Size k, std::int32_t out) const;
    void set_price(Size k);
    void sum_servers();
    void sum_excess();
};

}  // namespace dtopt
