// An association under fixed sharing at its penalised cost: what servers lack is weighed into the cost.
//
// Under fixed sharing a placement problem is a generalized assignment problem with opening costs on top.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "solvers/core/placement.hpp"

namespace dtopt {

// A server that a user is allowed on; `priced` is the cost and the prices of the CPU and the place that it takes.
struct Option {
    double priced, cost, part;
    std::int32_t server;
};

// A user on a server; `regret` is by how much its priced cost is above the least of all servers.
struct Member {
    double cost, part, regret;
    std::int32_t user;
};

// A server: its data, its prices from a dual bound, the weights of what it lacks, and what is taken.
struct WeighedServer {
    double opening, share_price, place_price, share_weight, place_weight, used;
    std::int64_t capacity, count;

    // What the server costs with this part of its CPU and these places taken, penalties included.
    double standing(double taken, std::int64_t users) const {
        double value = users > 0 ? opening : 0.0;
        if (taken > FULL) value += share_weight * (taken - FULL);
        if (users > capacity) value += place_weight * static_cast<double>(users - capacity);
        return value;
    }
    double standing() const { return standing(used, count); }
    double standing_with(double part) const { return standing(used + part, count + 1); }
    double standing_without(double part) const { return standing(used - part, count - 1); }
    // By how much joining the server may cost less than the prices of what is taken there.
    double slack(double taken, std::int64_t users) const {
        return standing(taken, users) - opening + share_price * (1.0 - taken) +
               place_price * static_cast<double>(capacity - users);
    }
    // 1 where the server lacks CPU or places, else 0.
    int lacks(double taken, std::int64_t users) const { return taken > FULL || users > capacity; }
    int lacks() const { return lacks(used, count); }
};

// The association at hand, with all sums that follow from it.
class PenalisedAssociation {
  public:
    // Pairs of infinite cost, of servers that are not `usable` or have no places, and parts above a whole CPU are not
    // allowed. Each user must have an option, and is on the first of them.
    PenalisedAssociation(const PlacementView& view, std::span<const double> share_price,
                         std::span<const double> place_price, std::span<const char> usable);

    Size users() const { return association.size(); }
    std::span<const Option> options(Size user) const {
        return std::span(options_).subspan(start_[user], start_[user + 1] - start_[user]);
    }
    // Return a pair's cost, infinite where it is not allowed, and its part of the CPU.
    struct Pair {
        double cost, part;
    };
    const Pair& pair(Size server, Size user) const { return pairs_(server, user); }
    double priced(Size server, Size user) const {
        const Pair& one = pair(server, user);
        return one.cost + servers[server].place_price + servers[server].share_price * one.part;
    }

    // Move a user to another server.
    void shift(Size user, Size server);
    // Make all sums from the association, also to be rid of what rounding has added up.
    void reload();
    // Return the cost without penalties, infinite where the association breaks a constraint.
    double exact_cost() const;

    std::vector<WeighedServer> servers;
    std::vector<std::vector<Member>> members;  // of each server
    Shorts association;
    std::int64_t max_open, n_open = 0, n_lacking = 0;  // servers open, and those that lack something
    double cost = 0.0, penalised = 0.0, open_weight = 0.0;  // weight of an open server too many

  private:
    Member member(Size user, Size server) const;

    Matrix<Pair> pairs_;          // (M, N)
    std::vector<Option> options_;  // of each user by rising priced cost
    std::vector<Size> start_;
    Shorts place_;                // (N,): the user's place among the members of its server
};

}  // namespace dtopt
