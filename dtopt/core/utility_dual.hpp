// The softened dual of P2 over segments of servers' levels, and its descent.
//
// `dtopt.utility_dual.UtilityDual` has the theory and the notation.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/quasi_newton.hpp"

namespace dtopt {

// Segments of servers' levels, server by server; rows 2 c and 2 c + 1 of matrices are the ends of segment c.
struct UtilitySegments {
    Matrix<double> worth, weight;  // (2 C, N): u, −inf where the user cannot be there, and h
    Matrix<double> level;          // (C, 2)
    Doubles places;                // (C,): N_k of the segment's server
    Integers starts;               // (servers in use + 1,): where each server's segments begin

    Size users() const { return worth.columns(); }
    Size segments() const { return level.rows(); }
    Size servers() const { return starts.size() - 1; }
    bool is_single(Size c) const { return level(c, 0) == level(c, 1); }
    Size price_count() const { return users() + 2 * segments(); }
};

// Some of the segments, at least one of each server.
struct SegmentChoice {
    Integers segment;  // (n,)
    Integers starts;   // (servers in use + 1,): where each server's begin

    explicit SegmentChoice(const UtilitySegments& all);
    SegmentChoice(const UtilitySegments& all, std::span<const bool> kept);
};

// Prices (π, λ, μ) in a row: of serving users, of load and of places on segments.
template <class T>
struct UtilityPrices {
    std::span<T> serve, load, place;

    UtilityPrices(std::span<T> row, Size users, Size segments)
        : serve(row.subspan(0, users)),
          load(row.subspan(users, segments)),
          place(row.subspan(users + segments, segments)) {}
};

// The softened dual over some segments; keeps room for its work between calls.
class SmoothedUtility {
  public:
    SmoothedUtility(const UtilitySegments& all, SegmentChoice choice);

    Size price_count() const { return all_.users() + 2 * choice_.segment.size(); }
    // Return the value and write the gradient; prices are those of the chosen segments.
    double operator()(std::span<const double> prices, double temperature, std::span<double> slope);

  private:
    // What a server wins at one end of a segment.
    struct End {
        double gain, taken, count;  // softened; the expected load and number of users
        Size first;                 // where its users begin in user_ and part_
    };

    const UtilitySegments& all_;
    SegmentChoice choice_;
    std::vector<End> ends_;
    Shorts user_;                 // users who are not far from being worth their prices, end by end
    Doubles part_, ratio_, load_;  // of each: the probability, and room
};

// Return the prices of load at which segments win least, by bisection; `unit` is that of each price of load.
Doubles settle_loads(const UtilitySegments& all, std::span<const double> prices, std::span<const double> unit,
                     std::int64_t halvings);

// Lower the dual softened at one temperature in the prices of the kept segments and of users; return all prices.
//
// `unit` and `fixed` are of all prices; `scale` is the change of the dual that counts as 1.
Doubles descend_utility(const UtilitySegments& all, std::span<const double> prices, std::span<const bool> kept,
                        double temperature, std::span<const double> unit, std::span<const bool> fixed, double scale,
                        const AscentParams& params, Cancellation& cancellation);

}  // namespace dtopt
