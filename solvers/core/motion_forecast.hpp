// A motion forecast: where users will be by simple motions, which stations serve them there, and what servers are worth.
//
// `solvers.policies.lookahead` forecasts with a radio map and searches every user's way, in tens of milliseconds. This
// is rougher and takes one: motion is fitted to sums, a place is served by the nearest stations, and each user's best
// way through the servers is found for the loads of now. `policy-online` is trained to correct it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"

namespace dtopt {

// How a forecast is made.
struct ForecastParams {
    std::int64_t samples = 1500;   // ways that each horizon is fitted to, roughly
    double prior = 20.0;           // as many ways say that users go on as they are; as in `dtopt.simulation.motion`
    double least_m_s = 0.5;        // added to every user's pace; as there
    double border_m = 60.0;        // distance over which one station takes over from another
    double borders = 5.0;          // stations further than this many borders behind the nearest one serve nobody
    double loyalty_m = 50.0;       // distance over which a user keeps its station
};

using Point = std::array<double, 2>;

// How users have moved: for each horizon, factors of the velocity and of the way to the middle, and the error.
struct Motion {
    Integers ahead;           // (H,): horizons, slots
    Matrix<double> factor;    // (H, 2)
    Doubles error;            // (H,): root of the mean square over the user's pace
    Doubles pace;             // (N,): m in a slot
    Point middle;             // of all places seen
    double survival;          // the probability of being there in the next slot
};

// Fit the motion of all users to the slots seen, (R, N) places, not a number where absent.
Motion fit_motion(MatrixView<const Point> seen, std::span<const std::int64_t> ahead, double slot_s,
                  const ForecastParams& params);

// The stations, and the wire from them to servers and between servers, m.
struct StationMap {
    std::span<const Point> place;        // (M,); without any, users stay at their stations
    MatrixView<const double> to_server;  // (M, S)
    MatrixView<const double> between;    // (S, S)
};

// The users of a slot.
struct MovingUsers {
    std::span<const Point> place, velocity;           // (n,): m, and m in a slot
    std::span<const std::int64_t> user, access;       // (n,): who it is in `Motion`; its station, −1 for none
    std::span<const double> wire, move;               // (n,): s/m of the wire in a slot, and of moving the twin
    MatrixView<const double> others;                  // (n, S): s of computing, less the least that anything takes
    MatrixView<const double> pressure;                // (n, S): what others would lose in a slot, in parts of the user's
    MatrixView<const bool> allowed;                   // (n, S)
};

// The futures, in this order: fitted motion with its errors; on as before; and everyone stays.
enum Future : Size { FITTED = 0, CONSTANT = 1, PERSISTENT = 2, FUTURES = 3 };

struct Forecast {
    Doubles value;  // (F, n, S): of being on a server after this slot, by the user's best way through each future
    Doubles wire;   // (2, K, n, S): s of wire at the horizons asked for, in the futures in which users move
};

// Return what servers are worth to users; where cancelled, nothing to the users left over.
Forecast forecast(const Motion& motion, const StationMap& map, const MovingUsers& users,
                  std::span<const std::int64_t> shown, const ForecastParams& params, Cancellation& cancellation);

}  // namespace dtopt
