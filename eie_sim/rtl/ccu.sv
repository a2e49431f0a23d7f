// In the paper: the central control unit (section IV), the root of the tree; it starts a layer and broadcasts.
// In time: `start` is taken at edge 1, where row 0 loads; what the tree finds in cycle t is pushed, or a row loaded, at t + 1.
// Contract: Scan and broadcast, rules 1 to 6; `done` is high in the last cycle of a layer, in which nothing is left.
module ccu #(
    parameter int N_PE = 64,
    parameter int ROW_BITS = 6,
    parameter int LANE_BITS = 6,
    parameter int COLUMN_BITS = 14
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   start,
    input  logic [ROW_BITS-1:0]    last_row,      // of the inputs, the bias apart
    input  logic                   has_bias,      // one more row
    input  logic                   found,
    input  logic [LANE_BITS-1:0]   lane,
    input  logic                   any_full,
    input  logic                   any_busy,
    output logic                   running,
    output logic                   lane_load,
    output logic [ROW_BITS-1:0]    lane_row,
    output logic                   lane_last,     // the row that loads is the last one of inputs
    output logic                   lane_bias,
    output logic                   push,
    output logic [COLUMN_BITS-1:0] column,
    output logic                   done
);
    logic [ROW_BITS-1:0] row;
    logic [COLUMN_BITS-1:0] base;
    logic in_bias, more;

    assign more = has_bias ? !in_bias : row != last_row;
    assign push = running && found && !any_full;
    assign column = base + COLUMN_BITS'(lane);
    // A row whose last lane was pushed makes way at the same edge; a queue that is full holds up no bubble.
    assign lane_load = start || (running && more && (push ? lane == LANE_BITS'(N_PE - 1) : !found));
    assign lane_row = start ? '0 : row + 1'b1;
    assign lane_last = lane_row == last_row;
    assign lane_bias = !start && has_bias && row == last_row;
    assign done = running && !found && !more && !any_busy;

    always_ff @(posedge clk) begin
        if (lane_load) begin
            row <= lane_row;
            base <= start ? '0 : base + COLUMN_BITS'(N_PE);
            in_bias <= lane_bias;
        end
        if (start) running <= 1'b1;
        else if (done) running <= 1'b0;
        if (rst) running <= 1'b0;
    end
endmodule
