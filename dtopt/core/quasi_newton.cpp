#include "dtopt/core/quasi_newton.hpp"

namespace dtopt::quasi_newton {

namespace {

DTOPT_INLINE double dot_body(const double* first, const double* second, const double* moves, Size free, Size size) {
    return lane_sum(0, free, [&](Size j) { return first[j] * second[j]; }) +
           lane_sum(free, size, [&](Size j) { return first[j] * second[j] * moves[j]; });
}

DTOPT_INLINE double add_body(double* direction, double times, const double* vector, const double* moves, Size free,
                             Size size, const double* then) {
    const double always = lane_sum(0, free, [&](Size j) {
        direction[j] += times * vector[j];
        return direction[j] * then[j];
    });
    const double rest = lane_sum(free, size, [&](Size j) {
        direction[j] += times * vector[j] * moves[j];
        return direction[j] * then[j] * moves[j];
    });
    return always + rest;
}

DTOPT_INLINE Curvature curvature_body(const double* step, const double* turn, const double* moves, Size first,
                                      Size last) {
    Lanes curved, bend, length;
    each_lane(first, last, [&](Size j, Size x) DTOPT_LAMBDA {
        const double s = step[j] * moves[j], t = turn[j] * moves[j];
        curved.lane[x] += s * t;
        bend.lane[x] += t * t;
        length.lane[x] += s * s;
    });
    return {curved.total(), bend.total(), length.total()};
}

DTOPT_INLINE double try_body(const double* x, double length, const double* direction, const double* slope,
                             const double* unit, const bool* bounded, Size size, double* trial, double* point) {
    return lane_sum(0, size, [&](Size j) {
        double there = x[j] + length * direction[j];
        there = there < 0.0 && bounded[j] ? 0.0 : there;
        trial[j] = there;
        point[j] = there * unit[j];
        return slope[j] * (there - x[j]);
    });
}

DTOPT_INLINE Curvature arrive_body(double* x, const double* trial, double* slope, const double* raw,
                                   const double* unit, Size first, Size last, double* step, double* turn) {
    Lanes curved, bend, length;
    each_lane(first, last, [&](Size j, Size lane) DTOPT_LAMBDA {
        const double there = raw[j] * unit[j], s = trial[j] - x[j], t = slope[j] - there;
        step[j] = s;
        turn[j] = t;
        x[j] = trial[j];
        slope[j] = there;
        curved.lane[lane] += s * t;
        bend.lane[lane] += t * t;
        length.lane[lane] += s * s;
    });
    return {curved.total(), bend.total(), length.total()};
}

DTOPT_INLINE double absolute_body(const double* values, Size size) {
    return lane_sum(0, size, [&](Size j) { return values[j] < 0.0 ? -values[j] : values[j]; });
}

}  // namespace

DTOPT_HOT(double, dot, (const double* first, const double* second, const double* moves, Size free, Size size),
          dot_body, (first, second, moves, free, size))
DTOPT_HOT(double, add,
          (double* direction, double times, const double* vector, const double* moves, Size free, Size size,
           const double* then),
          add_body, (direction, times, vector, moves, free, size, then))
DTOPT_HOT(Curvature, curvature,
          (const double* step, const double* turn, const double* moves, Size first, Size last), curvature_body,
          (step, turn, moves, first, last))
DTOPT_HOT(double, try_step,
          (const double* x, double length, const double* direction, const double* slope, const double* unit,
           const bool* bounded, Size size, double* trial, double* point),
          try_body, (x, length, direction, slope, unit, bounded, size, trial, point))
DTOPT_HOT(Curvature, arrive,
          (double* x, const double* trial, double* slope, const double* raw, const double* unit, Size first, Size last,
           double* step, double* turn),
          arrive_body, (x, trial, slope, raw, unit, first, last, step, turn))
DTOPT_HOT(double, absolute_sum, (const double* values, Size size), absolute_body, (values, size))

Memory::Memory(Size room, Size size, Size free)
    : room_(room), size_(size), free_(free), newest_(room - 1), steps_(room, size), turns_(room, size), sums_(room) {}

void Memory::direct(std::span<const double> slope, std::span<const double> moves, std::span<double> direction) {
    for (Size j = 0; j < free_; ++j) direction[j] = slope[j];
    for (Size j = free_; j < size_; ++j) direction[j] = slope[j] * moves[j];
    Doubles share(stored_), curved(stored_);
    std::vector<Size> used;
    double scale = 0.0;
    // Past steps count only by what they say of the coordinates that move.
    for (Size back = 0; back < stored_; ++back) {
        const Size j = (newest_ + room_ - back) % room_;
        const Curvature all =
            sums_[j] + curvature(steps_.row(j).data(), turns_.row(j).data(), moves.data(), free_, size_);
        if (!all.counts()) continue;
        curved[used.size()] = all.curved;
        used.push_back(j);
        if (scale == 0.0) scale = all.curved / all.bend;
    }
    if (used.empty()) return;
    double along = dot(steps_.row(used[0]).data(), direction.data(), moves.data(), free_, size_);
    for (Size e = 0; e < used.size(); ++e) {
        share[e] = along / curved[e];
        const auto& then = e + 1 < used.size() ? steps_.row(used[e + 1]) : turns_.row(used[e]);
        along = add(direction.data(), -share[e], turns_.row(used[e]).data(), moves.data(), free_, size_, then.data());
    }
    for (Size j = 0; j < size_; ++j) direction[j] *= scale;
    along *= scale;
    for (Size e = used.size(); e-- > 0;) {
        const double times = share[e] - along / curved[e];
        const auto& then = turns_.row(used[e > 0 ? e - 1 : 0]);
        along = add(direction.data(), times, steps_.row(used[e]).data(), moves.data(), free_, size_, then.data());
    }
}

double* Memory::next_step() { return steps_.row(next()).data(); }

double* Memory::next_turn() { return turns_.row(next()).data(); }

void Memory::keep(const Curvature& free) {
    newest_ = next();
    sums_[newest_] = free;
    stored_ = std::min(stored_ + 1, room_);
}

// The oldest step has given its place to one that says nothing.
void Memory::drop() { stored_ = std::min(stored_, room_ - 1); }

}  // namespace dtopt::quasi_newton
