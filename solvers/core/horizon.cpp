#include "solvers/core/horizon.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"

namespace dtopt {

namespace {

constexpr double INF = std::numeric_limits<double>::infinity();
// Stands for what must not be; finite, so that sums stay numbers.
constexpr double NEVER = -1e12;

DTOPT_INLINE void decay_body(const double* gap, double move, Size size, double* factor) {
    for (Size j = 0; j < size; ++j) factor[j] = exp(-move * gap[j]);
}

DTOPT_HOT(void, fill_decay, (const double* gap, double move, Size size, double* factor), decay_body,
          (gap, move, size, factor))

// What decides where a user goes in a slot, for each server.
struct Targets {
    Doubles spare;  // slack that is left there, s
    Doubles worth;  // β e^spare
    Doubles cost;   // what comes later, less what the others there lose
};

// What a user gains on each server, having moved by `gap` metres there.
DTOPT_INLINE void gain_body(const double* spare, const double* worth, const double* cost, const double* gap,
                            const double* factor, double move, double weight, double penalty, bool hard, Size size,
                            double* gain) {
    for (Size to = 0; to < size; ++to) {
        const double left = spare[to] - move * gap[to], late = left < 0.0 ? left : 0.0;
        const bool never = left == -INF || (hard && left < 0.0);
        const double own = never ? NEVER : worth[to] * factor[to] + penalty * late;
        gain[to] = weight * own + cost[to];
    }
}

DTOPT_HOT(void, fill_gain,
          (const double* spare, const double* worth, const double* cost, const double* gap, const double* factor,
           double move, double weight, double penalty, bool hard, Size size, double* gain),
          gain_body, (spare, worth, cost, gap, factor, move, weight, penalty, hard, size, gain))

class Planner {
  public:
    Planner(const Horizon& horizon, std::span<const std::int64_t> start)
        : z_(horizon),
          start_(start),
          level_(z_.steps, z_.servers()),
          pressure_(z_.steps, z_.servers()),
          ahead_(z_.servers()),
          then_(z_.servers()),
          gain_(z_.servers()),
          ones_(z_.servers(), 1.0),
          factor_(z_.servers(), z_.servers()),
          target_(z_.steps, z_.servers()),
          found_{Matrix<double>(z_.users(), z_.servers()), Matrix<std::int64_t>(z_.steps, z_.users())} {
        for (Doubles* numbers : {&to_.spare, &to_.worth, &to_.cost}) numbers->resize(z_.servers());
    }

    Continuation plan(std::int64_t sweeps, Cancellation& cancellation) {
        stay();
        for (std::int64_t sweep = 0; sweep < sweeps; ++sweep) {
            weigh();
            for (Size i = 0; i < z_.users(); ++i) {
                if (cancellation.requested()) return std::move(found_);
                lay(i);
            }
        }
        return std::move(found_);
    }

  private:
    const Horizon& z_;
    std::span<const std::int64_t> start_;
    Matrix<double> level_, pressure_;  // (H + 1, S)
    Targets to_;
    Doubles ahead_, then_, gain_, ones_;  // (S,)
    Matrix<double> factor_;               // (S, S): what a move leaves of the user's utility
    Matrix<std::int32_t> target_;         // (H + 1, S): the best server from each
    Continuation found_;

    Size at(Size step, Size user) const { return static_cast<Size>(found_.plan(step, user)); }
    double load(Size step, Size user, Size server) const {
        return z_.stays(step, user) * z_.size[user] * z_.part(step, server);
    }

    // How fast a user's worth falls with the level of its server.
    double fall(Size step, Size user, Size server) const {
        const double pace = z_.growth[user] * z_.rate(step, server);
        const double left = z_.slack_of(step, user)[server] - pace * level_(step, server);
        if (left == -INF) return 0.0;
        return z_.weight(step, user) * (z_.beta * exp(left) + (left < 0.0 ? z_.penalty : 0.0)) * pace;
    }

    // Everyone stays at first; who is nowhere, or must not stay, goes where it is fastest.
    void stay() {
        for (Size i = 0; i < z_.users(); ++i) {
            for (Size h = 0; h < z_.steps; ++h) {
                const auto slack = z_.slack_of(h, i);
                std::int64_t k = start_[i];
                if (k < 0 || slack[static_cast<Size>(k)] == -INF)
                    k = std::max_element(slack.begin(), slack.end()) - slack.begin();
                found_.plan(h, i) = k;
                level_(h, static_cast<Size>(k)) += load(h, i, static_cast<Size>(k));
            }
        }
    }

    void weigh() {
        std::fill(pressure_.values().begin(), pressure_.values().end(), 0.0);
        for (Size h = 0; h < z_.steps; ++h)
            for (Size i = 0; i < z_.users(); ++i) pressure_(h, at(h, i)) += fall(h, i, at(h, i));
    }

    // Lay a user's way through all slots.
    void lay(Size user) {
        const Size m = z_.servers();
        fill_decay(z_.gap.data(), z_.move[user], m * m, factor_.data());
        std::fill(ahead_.begin(), ahead_.end(), 0.0);
        for (Size h = z_.steps; h-- > 0;) {
            const Size here = at(h, user);
            const double own = fall(h, user, here);
            level_(h, here) -= load(h, user, here);
            pressure_(h, here) -= own;
            // What follows this slot, and not the slot itself.
            if (h == 0) std::copy(ahead_.begin(), ahead_.end(), found_.value.row(user).begin());
            look_at(h, user);
            if (h > 0) {
                for (Size k = 0; k < m; ++k) choose(h, user, k, z_.move[user], factor_.row(k).data());
                std::swap(ahead_, then_);
            }
        }
        // Before this slot there is but one server, or none, from which there is no move.
        const std::int64_t begun = start_[user];
        auto k = static_cast<Size>(std::max(begun, std::int64_t{0}));
        choose(0, user, k, begun < 0 ? 0.0 : z_.move[user], begun < 0 ? ones_.data() : factor_.row(k).data());
        for (Size h = 0; h < z_.steps; ++h) {
            k = static_cast<Size>(target_(h, k));
            found_.plan(h, user) = static_cast<std::int64_t>(k);
            level_(h, k) += load(h, user, k);
            pressure_(h, k) += fall(h, user, k);
        }
    }

    // Set what decides where a user goes in a slot.
    void look_at(Size h, Size user) {
        const auto slack = z_.slack_of(h, user);
        const double size = z_.size[user], growth = z_.growth[user], stays = z_.stays(h, user);
        for (Size k = 0; k < z_.servers(); ++k) {
            const double load = size * z_.part(h, k);
            to_.spare[k] = slack[k] - growth * z_.rate(h, k) * (level_(h, k) + load);
            to_.cost[k] = ahead_[k] - std::max(0.0, pressure_(h, k)) * load * stays;
        }
        for (Size k = 0; k < z_.servers(); ++k) to_.worth[k] = z_.beta * exp(to_.spare[k]);
    }

    // Set the best server of a slot from a server before it.
    void choose(Size h, Size user, Size from, double move, const double* factor) {
        fill_gain(to_.spare.data(), to_.worth.data(), to_.cost.data(), z_.gap.row(from).data(), factor, move,
                  z_.weight(h, user), z_.penalty, z_.hard, z_.servers(), gain_.data());
        const auto best = std::max_element(gain_.begin(), gain_.end());
        then_[from] = *best;
        target_(h, from) = static_cast<std::int32_t>(best - gain_.begin());
    }
};

}  // namespace

Continuation continuation(const Horizon& horizon, std::span<const std::int64_t> start, std::int64_t sweeps,
                          Cancellation& cancellation) {
    return Planner(horizon, start).plan(sweeps, cancellation);
}

}  // namespace dtopt
