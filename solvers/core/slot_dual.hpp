// The Lagrangian dual of P2 over time: prices on users' paths, and cells that each decide alone.
//
// With V_n a potential on each node n and 0 at the end of each stay, the worth of a path telescopes: Σ u = V_source +
// Σ_edges (u − V_q + V_p). An edge's margin is left to the cell it leads to, which takes whom it likes at a level r of
// its choice, with a price λ on the load that the level comes from and a price μ on places:
//
//   g = Σ_stays V_source + Σ_k max_c max_{r = low_c, high_c} [Σ_i max(0, max_q u_i(r; q) − V_q + V_p − λ_c h − μ_c)
//                                                             + λ_c r + μ_c N_k]
//
// Segments c of levels, and why a segment's best is at one of its ends: `dtopt.utility_dual`, which is this for one
// slot. Potentials are held as V_n = ν_n + Σ π over the user's later slots, so that a change in one slot does not have
// to travel through all slots before it; the margin is u − π − ν_q + ν_p − λ h − μ, and Σ V_source = Σ π.
//
// g lies above the worth of every feasible choice of paths, for any prices. The constant −(1−β) Σ E_i is left out.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "dtopt/core/cancellation.hpp"
#include "solvers/core/slot_view.hpp"

namespace dtopt {

// How the ascent of the dual over time goes, and how segments are split.
struct SlotDualParams {
    std::int64_t iterations = 80;           // at each temperature
    std::int64_t memory = 20;               // past steps remembered
    std::int64_t remembered = 60'000'000;   // numbers remembered at most
    double precision = 1e-8;    // the ascent ends with a step that lowers the mean over rows by less, in units
    double near = 1.0;          // segments take part whose cell loses no more by them, in units
    double near_edges = 3.0;    // the same for edges, less their user's; wider where that leaves out edges that matter
    double widening = 4.0;      // by this factor
    std::int64_t halvings = 30; // in the search for the price of load of a segment
    std::int64_t pieces = 4;    // that a segment is split into
};

// What cells win at both ends of each segment, and the absolute values of what was summed.
struct SlotGains {
    Matrix<double> won, summed;  // (C, 2)

    double best(Size c) const { return won(c, 0) > won(c, 1) ? won(c, 0) : won(c, 1); }
};

// The edges that take part in an ascent, by end of a segment and item.
struct SlotEdges {
    struct Item {
        std::int32_t row, node;  // the node it leads to, of all nodes one after another
        std::int64_t first;      // of its edges
    };
    Integers of_end;           // (2 C + 1,): where the items of each end begin
    std::vector<Item> items;   // one more at the end
    Shorts source;             // of each edge: the node it comes from
    Doubles worth, load;       // of each edge: u and h
};

struct SlotValued {
    double value;
    SlotPrices prices;
};

class SlotDual {
  public:
    // `segments` are in order of cells and levels; `unit` is the size of a typical change of a price of a row or node.
    SlotDual(std::shared_ptr<const SlotView> view, std::vector<SlotSegment> segments, double unit,
             const SlotDualParams& params);

    const SlotView& view() const { return *view_; }
    const std::vector<SlotSegment>& segments() const { return segments_; }
    double unit() const { return unit_; }
    void require_prices(const SlotPrices& prices) const;

    SlotGains gains(const SlotPrices& prices) const;
    // Return g, with what rounding can take from its sums added.
    double value(const SlotPrices& prices) const { return value(prices, gains(prices)); }
    // Return what the cell of each segment wins with its best one, (C,).
    Doubles best_of_cell(const SlotGains& gains) const;
    // Return the level and the prices of each cell's best segment.
    CellPrices best_levels(const SlotPrices& prices) const;

    // Return the edges whose margins at some prices are at least a threshold.
    SlotEdges edges(const SlotPrices& prices, double threshold) const;
    // Return g over some edges with its maxima softened, and write its gradient; over all edges it lies above g.
    double smoothed(const SlotEdges& edges, const SlotPrices& prices, double temperature, SlotPrices& slope) const;

    // Return prices with each segment's price of load where the segment wins least, the others as they are.
    SlotPrices settled(const SlotPrices& prices) const;
    // Return the least value found over falling temperatures (in units), and its prices. Only the segments near the
    // best of their cells take part; the others' prices follow.
    SlotValued ascend(const SlotPrices& prices, std::span<const double> temperatures, Cancellation& cancellation) const;
    // Return the dual with the segments split that its value rests on, and the same prices for it; no dual where that
    // would lower the value by no more than about `accuracy`.
    std::pair<std::shared_ptr<SlotDual>, SlotPrices> finer(const SlotPrices& prices, double accuracy) const;

  private:
    double value(const SlotPrices& prices, const SlotGains& gains) const;
    // Gains at one level of each segment; items and pieces of kinks are those of `pieces`.
    template <class Level>
    void fill_gains(const std::vector<SlotSegment>& pieces, const SlotPrices& prices, Level level, Size column,
                    SlotGains& gains) const;
    SlotDual only(const std::vector<char>& kept) const;
    // Return the prices at which the dual softened at one temperature is least over the edges that lose no more than
    // `reach` units, and its value over those.
    SlotValued climb(const SlotPrices& prices, double temperature, double reach, Cancellation& cancellation) const;

    std::shared_ptr<const SlotView> view_;
    std::vector<SlotSegment> segments_;
    std::vector<Size> starts_;  // (K' + 1,): where the segments of each cell that has some begin
    double unit_;
    SlotDualParams params_;
};

}  // namespace dtopt
