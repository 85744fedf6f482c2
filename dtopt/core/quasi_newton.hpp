// Ascent of a concave dual with bounds on its variables: projected quasi-Newton steps (L-BFGS) at falling temperatures.
//
// A temperature softens the kinks of the dual; the ascent goes up the softened one, and what it reaches is valued without
// softening. Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and 7.5.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/hot.hpp"
#include "dtopt/core/sums.hpp"

namespace dtopt {

// How an ascent goes, and when it ends.
struct AscentParams {
    std::int64_t iterations = 200;  // at each temperature
    std::int64_t memory = 10;       // past steps remembered
    std::int64_t halvings = 20;     // of a step, before the ascent gives up at a temperature
    double sufficient = 1e-4;       // share of the slope that a step must gain (Armijo)
    double least_gain = 2e-9;       // an iteration that gains less than this part of the value is the last
    double enough = INFINITY;       // no more temperatures once the value is at least this
};

struct Ascended {
    double value;
    Doubles point;
    std::int64_t evaluations;  // of the softened dual
};

// The variables of an ascent.
struct Variables {
    std::span<const double> start;     // where it begins
    std::span<const double> unit;      // the size of a typical change of each
    std::span<const bool> bounded;     // which must be at least 0
    std::span<const bool> fixed;       // which stay as they are
};

// The inner products of a step with the turn of the slope, of the turn and of the step with themselves.
struct Curvature {
    double curved = 0.0, bend = 0.0, length = 0.0;

    Curvature operator+(const Curvature& other) const {
        return {curved + other.curved, bend + other.bend, length + other.length};
    }
    // Whether it says anything of the curvature, rounding aside.
    bool counts() const { return curved > 1e-12 * std::sqrt(length * bend); }
};

namespace quasi_newton {

double dot(const double* first, const double* second, const double* moves, Size free, Size size);
// direction += times · vector among the coordinates that move; return the inner product of the sum with `then`.
double add(double* direction, double times, const double* vector, const double* moves, Size free, Size size,
           const double* then);
Curvature curvature(const double* step, const double* turn, const double* moves, Size first, Size last);
// Where a step leads, in units and in variables; return what it should gain.
double try_step(const double* x, double length, const double* direction, const double* slope, const double* unit,
                const bool* bounded, Size size, double* trial, double* point);
// Go to a trial point: the step and the turn of the slope, and their inner products.
Curvature arrive(double* x, const double* trial, double* slope, const double* raw, const double* unit, Size first,
                 Size last, double* step, double* turn);
double absolute_sum(const double* values, Size size);

// Past steps of an ascent, and the directions that follow from them.
class Memory {
  public:
    Memory(Size room, Size size, Size free);

    void forget() { stored_ = 0; }
    bool is_empty() const { return stored_ == 0; }
    // Write the direction of ascent (two-loop recursion) among the coordinates that move.
    void direct(std::span<const double> slope, std::span<const double> moves, std::span<double> direction);
    // The row that the next step is written to, in place of the oldest.
    double* next_step();
    double* next_turn();
    // Keep what was written there: `free` are its inner products over the coordinates that always move.
    void keep(const Curvature& free);
    // What was written there says nothing.
    void drop();

  private:
    Size room_, size_, free_, stored_ = 0, newest_;
    Matrix<double> steps_, turns_;
    std::vector<Curvature> sums_;

    Size next() const { return (newest_ + 1) % room_; }
};

}  // namespace quasi_newton

// Return the best value over all temperatures and where it is reached.
//
// `smoothed(point, temperature, slope)` returns the softened dual and writes its gradient; `value(point)` returns the
// dual. Where cancelled, the ascent ends with what it has.
template <class Smoothed, class Value>
Ascended ascend(Smoothed smoothed, Value value, const Variables& variables, std::span<const double> temperatures,
                const AscentParams& params, Cancellation& cancellation) {
    using namespace quasi_newton;
    const Size size = variables.start.size();
    const auto &unit = variables.unit, &start = variables.start;
    const auto &bounded = variables.bounded, &fixed = variables.fixed;
    Doubles point(start.begin(), start.end()), x(size), raw(size), slope(size), direction(size), moves(size, 1.0);
    for (Size j = 0; j < size; ++j) x[j] = start[j] / unit[j];
    Doubles trial(x);
    Ascended best{value(std::span<const double>(point)), point, 0};
    Size free = 0;
    while (free < size && !bounded[free] && !fixed[free]) ++free;
    Memory memory(static_cast<Size>(params.memory), size, free);
    for (const double temperature : temperatures) {
        if (best.value >= params.enough || cancellation.requested()) break;
        memory.forget();
        double stride = 1.0;
        for (Size j = 0; j < size; ++j) point[j] = x[j] * unit[j];
        double now = smoothed(std::span<const double>(point), temperature, std::span<double>(raw));
        ++best.evaluations;
        for (Size j = 0; j < size; ++j) slope[j] = raw[j] * unit[j];
        for (std::int64_t iteration = 0; iteration < params.iterations; ++iteration) {
            if (cancellation.requested()) break;
            for (Size j = free; j < size; ++j)
                moves[j] = fixed[j] || (bounded[j] && x[j] <= 0.0 && slope[j] <= 0.0) ? 0.0 : 1.0;
            memory.direct(slope, moves, direction);
            if (!memory.is_empty() && dot(direction.data(), slope.data(), moves.data(), free, size) <= 0.0) {
                memory.forget();
                memory.direct(slope, moves, direction);
            }
            double length = 1.0;
            if (memory.is_empty()) {
                // Without curvature to go by, a step of one typical change in all, and twice that when it is short.
                length = stride / std::max(absolute_sum(direction.data(), size), 1e-300);
                stride *= 2.0;
            }
            bool moved = false;
            double then = now;
            for (std::int64_t halving = 0; halving < params.halvings; ++halving) {
                const double expected = try_step(x.data(), length, direction.data(), slope.data(), unit.data(),
                                                 bounded.data(), size, trial.data(), point.data());
                then = smoothed(std::span<const double>(point), temperature, std::span<double>(raw));
                ++best.evaluations;
                if (then >= now + params.sufficient * expected && std::isfinite(then)) {
                    moved = true;
                    break;
                }
                length *= 0.5;
            }
            if (!moved) {
                if (memory.is_empty()) break;
                // The curvature elsewhere misleads here: once more along the slope alone.
                memory.forget();
                stride = 1.0;
                continue;
            }
            double *step = memory.next_step(), *turn = memory.next_turn();
            const Curvature always =
                arrive(x.data(), trial.data(), slope.data(), raw.data(), unit.data(), 0, free, step, turn);
            const Curvature rest =
                arrive(x.data(), trial.data(), slope.data(), raw.data(), unit.data(), free, size, step, turn);
            if ((always + rest).counts())
                memory.keep(always);
            else
                memory.drop();
            const double gain = then - now;
            now = then;
            if (gain <= params.least_gain * std::abs(now)) break;
        }
        for (Size j = 0; j < size; ++j) point[j] = x[j] * unit[j];
        const double reached = value(std::span<const double>(point));
        if (reached > best.value) {
            best.value = reached;
            best.point = point;
        }
    }
    return best;
}

}  // namespace dtopt
