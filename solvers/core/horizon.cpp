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

// What decides where a user goes in a slot.
struct Targets {
    Doubles spare;  // (S,): slack that is left there, s
    Doubles worth;  // (S,): β e^spare
    Doubles cost;   // (S,): what comes later, less what the others there lose
    double weight = 0.0, penalty = 0.0;
    bool hard = false;
};

DTOPT_INLINE void worth_body(Targets& t, double beta) {
    for (Size to = 0; to < t.spare.size(); ++to) t.worth[to] = beta * exp(t.spare[to]);
}

DTOPT_HOT(void, fill_worth, (Targets & t, double beta), worth_body, (t, beta))

// The best server and what it gains; the first of equal ones.
struct Choice {
    double gain;
    Size server;
};

// Choose from a server from which moves cost `move` seconds a metre; `gap` and `factor` are its rows.
DTOPT_INLINE Choice choose_body(const Targets& t, const double* gap, const double* factor, double move, double* gain) {
    const Size size = t.spare.size();
    const double *spare = t.spare.data(), *worth = t.worth.data(), *cost = t.cost.data();
    const double weight = t.weight, penalty = t.penalty, least = t.hard ? 0.0 : -std::numeric_limits<double>::max();
    for (Size to = 0; to < size; ++to) {
        const double left = spare[to] - move * gap[to], late = left < 0.0 ? left : 0.0;
        const double own = worth[to] * factor[to] + penalty * late;
        gain[to] = weight * (left < least ? NEVER : own) + cost[to];
    }
    Choice best{gain[0], 0};
    for (Size to = 1; to < size; ++to) {
        const bool better = gain[to] > best.gain;
        best.server = better ? to : best.server;
        best.gain = better ? gain[to] : best.gain;
    }
    return best;
}

DTOPT_HOT(Choice, choose_from,
          (const Targets& t, const double* gap, const double* factor, double move, double* gain), choose_body,
          (t, gap, factor, move, gain))

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
        to_.penalty = z_.penalty;
        to_.hard = z_.hard;
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
                for (Size k = 0; k < m; ++k) choose(h, k, z_.move[user], factor_.row(k).data());
                std::swap(ahead_, then_);
            }
        }
        // Before this slot there is but one server, or none, from which there is no move.
        const std::int64_t begun = start_[user];
        auto k = static_cast<Size>(std::max(begun, std::int64_t{0}));
        choose(0, k, begun < 0 ? 0.0 : z_.move[user], begun < 0 ? ones_.data() : factor_.row(k).data());
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
        to_.weight = z_.weight(h, user);
        fill_worth(to_, z_.beta);
    }

    // Set the best server of a slot from a server before it.
    void choose(Size h, Size from, double move, const double* factor) {
        const Choice best = choose_from(to_, z_.gap.row(from).data(), factor, move, gain_.data());
        then_[from] = best.gain;
        target_(h, from) = static_cast<std::int32_t>(best.server);
    }
};

}  // namespace

Continuation continuation(const Horizon& horizon, std::span<const std::int64_t> start, std::int64_t sweeps,
                          Cancellation& cancellation) {
    return Planner(horizon, start).plan(sweeps, cancellation);
}

}  // namespace dtopt
