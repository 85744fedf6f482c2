// One server's knapsack by dynamic programming, over users that are decided in a fixed order.
//
// Each user that the server takes adds its gain (its reduced cost) and a whole number of grains; once all users are
// decided, the server costs `last` of the grains taken. Entry (d, r) of the table is the least reduced cost of
// completing the server with users d, d + 1, … once r grains are taken. It is the bound of every node of a search
// that decides users in this order.
//
// Users that cannot lower any entry have no row of their own, and only entries that can be reached are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "dtopt/core/arrays.hpp"

namespace dtopt {

// How the cost of a server depends on the grains taken. Where it does not fall, users with gains ≥ 0 are not taken.
enum class LastCost { FLAT, RISING, ANY };

// Return grains, shape (M, N), as the table takes them: what is above the room of a server becomes one more than it.
Matrix<std::int32_t> whole_grains(const Matrix<std::int64_t>& grains, std::span<const std::int64_t> room);

class KnapsackTable {
  public:
    // Which users may have taken grains before a user is decided: those that can lower an entry, or all.
    enum class Reach { GAINING, ALL };

    // One server, without its own opening cost.
    struct Server {
        std::span<const std::int32_t> grains;  // (N,)
        std::span<const double> last;          // (R + 1,): no more than R grains fit
        LastCost shape;
    };

    // Compute the table. What the spans of `server` refer to must outlive it.
    void fill(const Server& server, std::span<const double> gain, Reach reach);

    // Return the least reduced cost of the server.
    double value() const { return entry(0, 0); }

    // Return an entry of a table filled with Reach::ALL.
    double at(Size d, Size r) const { return values_[static_cast<Size>(offset_[d] + static_cast<std::ptrdiff_t>(r))]; }

    // Add 1 to the count of each user that the server takes; return how many these are.
    std::int64_t take(std::span<std::int64_t> count) const;

    // Lower `with` and `without` of each user to the server's value with that user taken and with it not taken; after
    // Reach::ALL.
    void lower_pair_values(std::span<double> with, std::span<double> without);

  private:
    // Whether taking user d can lower an entry.
    bool matters(Size d) const {
        if (static_cast<Size>(server_.grains[d]) >= server_.last.size()) return false;
        return gain_[d] < (server_.shape == LastCost::ANY ? std::numeric_limits<double>::infinity() : 0.0);
    }
    double entry(Size d, Size r) const { return r < first_[d] ? rest_[d] : at(d, r); }
    void fill_row(Size d, Size position);

    Server server_{};
    Doubles gain_;
    Doubles values_;                      // entries (d, first_[d]) to (d, end_[d] − 1) of all rows
    std::vector<std::ptrdiff_t> offset_;  // (N + 1,): of row d in `values_`, as if it began with r = 0
    std::vector<Size> first_, end_;       // (N + 1,)
    Doubles rest_;                        // (N + 1,): the entries with r < first_[d], where all users that gain fit
    Doubles before_, after_;              // rows of `lower_pair_values`
};

}  // namespace dtopt
