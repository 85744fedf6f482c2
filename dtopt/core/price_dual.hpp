// The Lagrangian dual of P1 in prices, over the pairs of user and server that are worth listing.
//
// `dtopt.price_dual.PriceDual` has the theory, the notation and the NumPy reference.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"

namespace dtopt {

// What has been decided of a server.
enum : std::int64_t { CLOSED = -1, FREE = 0, OPEN = 1 };

// What the dual needs of users and servers.
struct PricedData {
    Doubles root_load;            // (N,): √(κ w)
    Doubles cpu, capacity;        // (M,)
    Doubles opening;              // (M,): what a server costs beside its users' gains
    double worth = 1.0;           // of one user's second
    std::int64_t max_open = 0;

    Size users() const { return root_load.size(); }
    Size servers() const { return cpu.size(); }
};

// The pairs that are listed, server by server, and the data of users and servers.
struct Columns : PricedData {
    Integers start;               // (M + 1,): the pairs of server k are start[k] to start[k + 1] − 1
    Shorts user;                  // of each pair, rising for each server
    Doubles cost;                 // of each pair
    Doubles part;                 // of each pair: part of the CPU under fixed sharing; empty otherwise
    Doubles floor;                // of each pair: least share under a hard deadline, cycles/s; empty without

    Columns() = default;
    explicit Columns(const PricedData& data) : PricedData(data) {}

    Size pairs() const { return user.size(); }
    // Whether pair e of server k is that of user e − start[k], for all users.
    bool is_whole(Size k) const { return whole[k] != 0; }
    // Set `whole` once all pairs are listed.
    void finish();

    std::vector<char> whole;      // (M,)
};

// Prices (π, λ, μ, ν, θ) in a row: of users, of load, of places, of CPU parts, and of one more open server.
template <class T>
struct Prices {
    std::span<T> user, load, place, share;
    T& more;

    Prices(std::span<T> row, Size n, Size m)
        : user(row.subspan(0, n)),
          load(row.subspan(n, m)),
          place(row.subspan(n + m, m)),
          share(row.subspan(n + 2 * m, m)),
          more(row[n + 3 * m]) {}
};

inline Size price_count(Size n, Size m) { return n + 3 * m + 1; }

// Return the dual; a bound only if every pair that could gain is listed.
double dual_value(const Columns& columns, std::span<const std::int64_t> state, std::span<const double> prices);

// Return the softened dual and write its gradient; `chosen` is room for a number per listed pair.
double dual_smoothed(const Columns& columns, std::span<const std::int64_t> state, std::span<const double> prices,
                     double temperature, std::span<double> slope, std::span<double> chosen);

// Return the columns of the pairs that cost at most `margin` more than they gain at these prices.
Columns dual_narrowed(const Columns& columns, std::span<const double> prices, double margin);

// Return each user's least priced cost over the listed pairs at these prices of servers, floors left out.
Doubles dual_least_priced(const Columns& columns, std::span<const double> load, std::span<const double> place,
                          std::span<const double> share);

// What a user's share of the CPU costs at a price of load, and its derivative in that price.
struct PricedLoad {
    double cost, slope;
};

inline PricedLoad priced_load(double size, double floor, double load, double worth) {
    const double rate = load / (2.0 * worth);
    if (rate * floor > size) return {worth * (size * size / floor + rate * rate * floor), rate * floor};
    return {load * size, size};
}

// A dual over some users and servers, in place of the whole at fixed prices elsewhere.
struct Region {
    Columns columns;   // what servers gain by users elsewhere is a part of their opening
    Integers users;    // which they are in the whole; the prices of the first `free_users` may change
    std::int64_t free_users = 0;
};

// Cut the region of some servers out of a dual; the prices of the first `inner` of them may change.
//
// Pairs that cost at least `margin` (of each user) more than they gain are left out. `is_free` says of which users
// prices may change.
Region cut_region(const Columns& columns, std::span<const double> prices, std::span<const double> margin,
                  std::span<const std::int64_t> servers, Size inner, std::span<const bool> is_free);

}  // namespace dtopt
