#include "solvers/core/action_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace dtopt {

namespace {

// What a server has while users are added.
struct Server {
    std::int64_t count = 0;
    double load = 0.0;      // of root cycles under optimal sharing, of cycles under equal sharing
    double reserved = 0.0;  // the sum of floors, cycles/s
    double steepest = 0.0;  // the largest floor, cycles/s
    bool is_open = false;
};

// The users or servers 0 to size − 1, those of the largest value first.
Integers falling(std::span<const double> values) {
    Integers order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] > values[b]; });
    return order;
}

}  // namespace

void ActionDecoder::finish() {
    order = falling(cycles);
    Size pairs = 0;
    for (const double seconds : transfer.values())
        if (std::isfinite(seconds)) {
            mean_transfer += seconds;
            ++pairs;
        }
    mean_transfer /= static_cast<double>(std::max<Size>(pairs, 1));
}

Integers ActionDecoder::decode(std::span<const bool> open, std::span<const double> bids,
                               MatrixView<const double> scores, bool marginal, double score_weight) const {
    const Size m = cpu.size();
    std::vector<Server> servers(m);
    for (Size k = 0; k < m; ++k) servers[k].is_open = open[k];
    std::int64_t spare = max_open - std::count(open.begin(), open.end(), true);
    const Integers by_bid = falling(bids);
    const double unit = score_weight * weight * mean_transfer;
    Integers association(cycles.size(), -1);
    for (const std::int64_t i : order) {
        const double load = sharing == Sharing::OPTIMAL ? std::sqrt(cycles[i]) : cycles[i];
        double best = -std::numeric_limits<double>::infinity();
        std::int64_t& chosen = association[i];
        const auto consider = [&](Size k) {
            const Server& s = servers[k];
            const auto count = static_cast<double>(s.count + 1);
            if (!allowed(i, k) || s.count >= capacity[k]) return;
            const double set_aside = sharing == Sharing::EQUAL ? count * std::max(s.steepest, floor(i, k))
                                                               : s.reserved + floor(i, k);
            if (set_aside > cpu[k]) return;
            double value = scores(i, k);
            if (marginal) {
                const double added = sharing == Sharing::FIXED
                                         ? compute(i, k)
                                         : compute_cost(sharing, s.load + load, s.count + 1, cpu[k]) -
                                               compute_cost(sharing, s.load, s.count, cpu[k]);
                value = unit * value - weight * (transfer(i, k) + added);
            }
            if (value > best) {
                best = value;
                chosen = static_cast<std::int64_t>(k);
            }
        };
        for (Size k = 0; k < m; ++k)
            if (servers[k].is_open) consider(k);
        // Where none of them has room, the closed one of the highest bid that has.
        for (Size turn = 0; turn < m && chosen < 0 && spare > 0; ++turn)
            if (!servers[by_bid[turn]].is_open) consider(static_cast<Size>(by_bid[turn]));
        if (chosen < 0) continue;
        Server& s = servers[chosen];
        if (!s.is_open) --spare;
        s.is_open = true;
        ++s.count;
        s.load += load;
        s.reserved += floor(i, chosen);
        s.steepest = std::max(s.steepest, floor(i, chosen));
    }
    return association;
}

}  // namespace dtopt
