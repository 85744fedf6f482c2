// Ejection chains and path relinking under fixed sharing.
//
// The search walks through infeasible associations too: what servers lack is weighed into the cost, by weights that
// rise while no feasible association turns up and fall while some do. Local searches by shifts, swaps and ejection
// chains end in a pool of elite associations, and paths between these give the next starts.
// Source: Yagiura, Ibaraki and Glover, A path relinking approach with ejection chains for the generalized assignment
// problem, European Journal of Operational Research 169 (2006).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/random.hpp"
#include "solvers/core/penalised.hpp"

namespace dtopt {

struct EjectionParams {
    std::int64_t pool = 16;      // elite associations that paths are laid between
    double least_weight = 0.1;   // the least first weight of what servers lack, and
    double least_gain = 1e-10;   // the least gain of a move, as parts of the mean cost of a pair
    double ease = 0.9;           // factor of the weights after a local search that met feasible associations,
    double press = 1.02;         // after one that met none,
    double press_first = 1.1;    // and as long as none has ever been met
    std::int64_t patience = 60;  // local searches in a row that may leave the pool as it is before it is emptied
    double way = 0.1;            // the part of the way between two elite associations that is walked, at most
    std::int64_t depth = 6;      // users that one chain may move
    std::int64_t sample = 64;    // steps compared at each point of a path, at most
};

// The search stops and goes on between any two users' neighbourhoods; what it finds does not depend on where it stops.
class EjectionSearch {
  public:
    // Prices of a server's whole CPU and of a place, from a dual bound, say where users go first. Only the servers that
    // are `usable` are taken. It begins at `start`, as far as that is allowed; throws where a user is allowed nowhere.
    EjectionSearch(const PlacementView& view, std::span<const double> share_price, std::span<const double> place_price,
                   std::span<const char> usable, std::optional<std::span<const std::int64_t>> start,
                   std::uint64_t seed, const EjectionParams& params);

    // Search the neighbourhoods of `users` users, fewer where cancelled; return how many.
    std::int64_t advance(std::int64_t users, Cancellation& cancellation);

    // The best feasible association so far and its cost: infinite while there is none.
    double best_cost() const { return best_cost_; }
    const Shorts& best() const { return best_; }

  private:
    struct Elite {
        Shorts association;
        double cost;
        Doubles lacking_share;
        Integers lacking_places;
        std::int64_t n_open;
    };
    // A user's shift, and another user that goes elsewhere with it (−1: none).
    struct Move {
        double change;
        std::int32_t server, other, other_server;
    };
    // The best way to send a user on from a server, and the one to go on with where none helps.
    struct Sent {
        double change;
        std::int32_t user, server, next_user, next_server;
    };

    // What a server costs more with a part more of its CPU taken, cost of the pair left out.
    struct Entry {
        double base, weight, room;
        double cost(double part) const { return base + weight * std::max(0.0, part - room); }
    };
    // The most slack of any server, and of any other.
    struct Slack {
        double most = 0.0, second = 0.0;
        Size server = 0;

        void add(double slack, Size k) {
            second = std::max(second, std::min(most, slack));
            if (slack <= most) return;
            most = slack;
            server = k;
        }
        double elsewhere(Size k) const { return k == server ? second : most; }
    };

    Size draw(Size bound) { return static_cast<Size>(random_.below(static_cast<std::int64_t>(bound))); }
    Size server_of(Size user) const { return static_cast<Size>(state_.association[user]); }
    // Neighbourhoods.
    bool improve_user(Size user);
    bool improve_chain(Size user);
    Sent send_on(Size server, std::span<const std::int32_t> moved, double enough);
    Slack list_entries();
    static Entry exchange(const WeighedServer& server, double leaving);
    void offer();
    void offer_moved(Size user, const Move& move);
    // Local searches: where they begin, and what comes of where they end.
    void begin();
    void end();
    void restart();
    void relink();
    void disturb();
    void vary_servers();
    void close_one();
    Size next_step(std::span<const std::int32_t> left, const Shorts& goal);
    std::int32_t best_target(Size user) const;
    double value_of(const Elite& elite) const;
    void keep();
    void keep_only_best();
    void reweigh();

    const EjectionParams params_;
    PenalisedAssociation state_;
    Random random_;
    std::vector<Size> usable_;  // servers that some user is allowed on
    bool varies_ = false;       // whether it matters which servers are open
    double least_;              // gain of a move
    std::vector<Entry> entries_;  // of all servers
    Shorts best_;
    double best_cost_;
    std::vector<Elite> pool_;
    Size user_ = 0;             // whose neighbourhood is next
    Size stale_ = 0;            // users in a row without a move
    std::int64_t rounds_ = 0;   // local searches done
    std::int64_t barren_ = 0;   // those in a row that left the pool as it was
    bool under_way_ = false;    // whether a local search is
    bool met_ = false;          // whether it met a feasible association
};

}  // namespace dtopt
