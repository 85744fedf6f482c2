// How users spread over their paths at given levels and prices of cells: a logit over paths, slot by slot.
#pragma once

#include <cstdint>

#include "dtopt/core/cancellation.hpp"
#include "solvers/core/slot_view.hpp"

namespace dtopt {

class SlotSpread {
  public:
    // `only_real` leaves out the positions that stand for several servers.
    SlotSpread(const SlotView& view, bool only_real);

    // Value all edges at levels and prices of cells.
    void value_edges(const CellPrices& cells);
    // Spread users over the valued paths at a temperature.
    void spread(const CellPrices& cells, double temperature);
    // Fill in `backward` at the temperature that users were spread at.
    void look_back(double temperature);

    Matrix<double> worth;     // (R, C): of each node with the best move into it, less its prices; −∞ where it cannot be
    Matrix<double> forward;   // (R + S, C): softened worth of the best path to each node
    Matrix<double> backward;  // (R + S, C): the same on from each node
    Matrix<double> chosen;    // (R, C): part of the user on each node
    Doubles held, count;      // (K,): Σ h and number of users on each cell
    Doubles fall;             // (K,): how fast what users are worth there falls in the cell's level

  private:
    Size count_of(Size row) const;
    Size edge(Size row, Size pos) const { return (row * view_.positions() + pos) * view_.positions(); }
    void add_node(const CellPrices& cells, Size row, Size pos, double part);

    const SlotView& view_;
    const Integers& width_;
    Doubles value_, load_, weight_;  // (R, C, C), as `SlotView::move`: worth, h, and part of those who come from there
};

// How the first prices of the dual over time are found.
struct SlotStartParams {
    std::int64_t rounds = 80;
    double warmest = 0.3, coldest = 0.02;  // temperatures of the logit, as parts of the spread of worth
    double step = 0.3;                     // part of the way that levels and prices go in a round
};

// Levels and prices at which users that choose paths for themselves about agree.
struct SlotStart {
    CellPrices cells;
    Doubles serve;        // (R,)
    Matrix<double> node;  // (R + S, C)
    double unit;          // of prices: the mean over rows of how much more the best node is worth than the mean one, or
                          // the mean of what a user costs the others on its cell, whichever is larger
};

// Users spread over paths; levels and prices follow from who is where, until neither changes much. Every row must have a
// candidate. `even` and `top` are the level of each cell to begin with, and its largest.
SlotStart find_start(const SlotView& view, const Doubles& even, const Doubles& top, const SlotStartParams& params,
                     Cancellation& cancellation);

// Return the position of each row that most of its user is on.
Integers rounded(const SlotView& view, const CellPrices& cells, double temperature);

}  // namespace dtopt
