// What users cost among the servers of a set: a quick descent by shifts, swaps, cycles of three users and disturbances.
//
// Deadlines that clamp CPU shares or have a price are left out, so that a descent takes some tens of microseconds.
#pragma once

#include <span>
#include <vector>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

// How long a descent goes on, at most.
struct DescentEffort {
    std::int64_t shift_sweeps = 6;    // sweeps of shifts in a row
    std::int64_t swap_sweeps = 12;    // sweeps of swaps, each followed by shifts; and cycles of three users
    std::int64_t kicks = 0;           // disturbances after them
    double hopeless = std::numeric_limits<double>::infinity();  // no disturbances where the cost is not below this
};

// Descents in sets of servers of one problem; it keeps its room to work in from one set to the next.
class SetDescent {
  public:
    // The view must be dense and outlive this. `cycled` users from one server to another are tried in cycles of three.
    SetDescent(const PlacementView& view, std::int64_t cycled);

    // Search among the servers of a set: users of others go there first. Return the cost of users and open servers,
    // with a penalty for users without room, who get server −1. Where cancelled, the association is the best so far.
    double descend(std::span<const std::int64_t> servers, std::span<std::int64_t> association,
                   const DescentEffort& effort, Cancellation& cancellation);

  private:
    // Where users are: slots of the set's servers (the number of servers for nowhere), and the sums of servers.
    struct Placed {
        Shorts slot;
        Doubles load, used;
        Shorts count;
    };
    // Joining a server costs a user of size s: c + first + second s + G s².
    struct Joining {
        double first, second;
    };
    // A user that could go from one server to another, and what that changes at prices of loads.
    struct Mover {
        double change;
        std::int32_t user;
    };

    void choose(std::span<const std::int64_t> servers, std::span<const std::int64_t> association);
    Joining joining(Size slot, bool full) const;
    double load_price(Size slot) const;
    bool fits(double used) const { return !parts_ || used <= FULL; }
    void add(Size user, Size slot, std::int32_t times);
    double settle(const DescentEffort& effort);
    double shift_all(std::int64_t sweeps);
    std::int64_t swap_all(double least);
    void list_movers();
    bool cycle(double least);
    bool follow(Size a, Size b, Size c, double least);
    void kick(Random& random);
    double total(double left_out) const;

    const PlacementView& view_;
    const Doubles& size_;
    const bool parts_;              // whether CPU parts must fit
    const Size cycled_;
    Shorts place_;                  // (M,): slot of each server
    // Of the set at hand, K servers.
    Size width_ = 0;
    Matrix<double> cost_, part_;    // (N, K)
    Doubles inverse_, square_, cpu_, opening_;  // (K,): 1/F, G of `Joining`, F, opening cost
    Integers capacity_;
    Placed now_;
    std::vector<char> awake_;       // (N,): who looks for something better
    // Room to work in.
    std::vector<Joining> joining_;
    Doubles price_, toward_, back_;
    Matrix<double> least_back_;
    Integers changed_, known_;
    std::vector<Mover> movers_;     // the cheapest from each server to each other, in rising order
};

}  // namespace dtopt
