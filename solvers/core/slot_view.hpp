// The one view of P2 over many slots, which the dual over time, the search over paths and the enumeration all read.
//
// A row is a user in a slot; before the first row of a stay is a source, which holds the one server where the twin was.
// A row's candidates are its positions, and a row or source with a position is a node. An edge leads from a node of the
// row before (or the source) to a node of a row. A cell is a server in a slot; all edges into its nodes are its own.
//
// At a level r of its cell (see `dtopt/utility_segments.py`) a user has the latency that no company changes, the time
// to move there, and g r with g = growth · rate; it takes h = size · part of the level.
#pragma once

#include <cstdint>
#include <span>

#include "dtopt/core/arrays.hpp"
#include "dtopt/core/sharing.hpp"

namespace dtopt {

// Relative room for rounding in levels, see `dtopt.utility_segments.ROUNDING`.
inline constexpr double LEVEL_ROUNDING = 1e-9;

// A node that leads into a cell.
struct SlotItem {
    std::int32_t row, pos;
};

// An interval of levels of a cell; a single level where both ends are equal.
struct SlotSegment {
    Size cell;
    double low, high;

    Size ends() const { return low == high ? 1 : 2; }
    double level(Size end) const { return end == 0 ? low : high; }
    double middle() const { return 0.5 * (low + high); }
};

struct SlotView {
    Matrix<std::int64_t> cell;  // (R, C): the cell of each candidate; a list ends in −1
    Integers prior;             // (R,): the user's row in the slot before, or its source R + s
    Matrix<double> slack;       // (R, C): the deadline less the latency that neither company nor moving changes, s
    Doubles move;               // (R, C, C): weighted time to move, s, by row, position, and position before;
                                // infinite where a hard deadline forbids it
    Doubles growth, size, room; // (R,): of a user; `room` is what rounding may take from its deadline, s
    Matrix<double> demand;      // (R, C): h under fixed sharing, else empty
    Doubles rate, part, places; // (K,): of a cell
    double beta = 0.5;          // of (20)
    double penalty = 0.0;       // of a second past a soft deadline
    Sharing sharing = Sharing::OPTIMAL;
    bool hard = false;          // whether deadlines are hard
    bool has_others = false;    // whether a full row's last position stands for all servers that it does not list

    // What follows from the above, see `finish`.
    Doubles decay;                   // (R, C, C): e to the power of −move; −1 where it is forbidden
    Integers width, real_width;      // (R + S,): candidates, and those that are servers
    Integers next;                   // (R + S,): the row after, −1 at the end of a stay
    Integers starts;                 // (K + 1,): where the items of each cell begin
    std::vector<SlotItem> items;     // the nodes that lead into each cell, in order of rows

    Size rows() const { return prior.size(); }
    Size positions() const { return cell.columns(); }
    Size cells() const { return rate.size(); }
    // Rows and sources.
    Size all_rows() const { return width.size(); }
    Size sources() const { return all_rows() - rows(); }
    bool is_last(Size row) const { return next[row] < 0; }

    // Whether floors of hard deadlines can raise what a user takes of a level.
    bool clamps() const { return hard && sharing == Sharing::OPTIMAL; }
    double growth_of(Size row, Size k) const { return growth[row] * rate[k]; }
    double size_of(Size row, Size k) const { return size[row] * part[k]; }
    // What a user takes of a level on a node where no floor binds, h.
    double load_of(Size row, Size pos) const {
        return sharing == Sharing::FIXED ? demand(row, pos) : size_of(row, static_cast<Size>(cell(row, pos)));
    }
    double load_of(SlotItem item) const { return load_of(static_cast<Size>(item.row), static_cast<Size>(item.pos)); }
    std::span<const SlotItem> items_of(Size k) const {
        return std::span(items).subspan(static_cast<Size>(starts[k]), static_cast<Size>(starts[k + 1] - starts[k]));
    }
    Size most_items() const;
    // Into a node, by the position before.
    std::span<const double> moves(Size row, Size pos) const { return into(move, row, pos); }
    std::span<const double> decays(Size row, Size pos) const { return into(decay, row, pos); }

    // Write what the edges into a node are worth at a level of a segment, and the h of each; −∞ and 0 where they cannot
    // be. Return whether any can. The same as `dtopt.utility_segments.ServerUtility.items`, with moves.
    bool edges(SlotItem item, const SlotSegment& segment, double level, std::span<double> worth,
               std::span<double> load) const;

    // Check the indices and fill in the rest, with `n_sources` sources; throws where something does not fit.
    void finish(Size n_sources);

  private:
    std::span<const double> into(const Doubles& cube, Size row, Size pos) const {
        return std::span(cube).subspan((row * positions() + pos) * positions(), positions());
    }
};

// Prices: π of rows, ν of nodes, λ and μ of segments, on their loads and their places.
struct SlotPrices {
    Doubles serve;        // (R,)
    Matrix<double> node;  // (R + S, C)
    Doubles load, place;  // by segment
};

// A level of each cell, and its prices of load and places there.
struct CellPrices {
    Doubles level, load, place;  // (K,)
};

}  // namespace dtopt
