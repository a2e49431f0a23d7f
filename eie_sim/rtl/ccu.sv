// In the paper: the central control unit (section IV), the root of the tree; it starts a layer and broadcasts.
// In time: `start` is taken at edge 1, where row 0 loads; what the tree finds in cycle t leaves, or a row loads, at t + 1.
// Contract: Scan and broadcast, rules 1 to 6, and Broadcast latency; `done` is high in a layer's last cycle.
module ccu #(
    parameter int N_PE = 64,
    parameter int ROW_BITS = 6,
    parameter int LANE_BITS = 6,
    parameter int COLUMN_BITS = 14,
    parameter int BITS = 16,
    parameter int DEPTH = 8,
    parameter int BROADCAST_LATENCY = 0
) (
    input  logic                   clk,
    input  logic                   rst,
    input  logic                   start,
    input  logic [ROW_BITS-1:0]    last_row,      // of the inputs, the bias apart
    input  logic                   has_bias,      // one more row
    input  logic                   found,
    input  logic [LANE_BITS-1:0]   lane,
    input  logic [BITS-1:0]        value,
    input  logic [N_PE-1:0]        full,
    input  logic [N_PE-1:0]        credit,        // given back by a PE
    input  logic                   any_busy,
    output logic                   running,
    output logic                   lane_load,
    output logic [ROW_BITS-1:0]    lane_row,
    output logic                   lane_last,     // the row that loads is the last one of inputs
    output logic                   lane_bias,
    output logic                   push,
    output logic                   arrive,        // at the queues, BROADCAST_LATENCY cycles after `push`
    output logic [BITS-1:0]        arrive_value,
    output logic [COLUMN_BITS-1:0] arrive_column,
    output logic                   done
);
    logic [ROW_BITS-1:0] row;
    logic [COLUMN_BITS-1:0] base, column;
    logic in_bias, more, any_full, in_flight;

    assign more = has_bias ? !in_bias : row != last_row;
    assign push = running && found && !any_full;
    assign column = base + COLUMN_BITS'(lane);
    // A row whose last lane was pushed makes way at the same edge; a queue that is full holds up no bubble.
    assign lane_load = start || (running && more && (push ? lane == LANE_BITS'(N_PE - 1) : !found));
    assign lane_row = start ? '0 : row + 1'b1;
    assign lane_last = lane_row == last_row;
    assign lane_bias = !start && has_bias && row == last_row;
    assign done = running && !found && !more && !in_flight && !any_busy;

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

    // The registers between here and the queues, the newest broadcast in the lowest bits; without a latency they are
    // not there. On the way back there are as many, the counts of credits included where D = 1 (see `ptr_read`).
    localparam int LEAVING = BROADCAST_LATENCY > 0 ? BROADCAST_LATENCY : 1;
    localparam int RETURNING = DEPTH > 1 ? BROADCAST_LATENCY : BROADCAST_LATENCY - 1;
    localparam int WORD_BITS = COLUMN_BITS + BITS;
    localparam int WORDS_BITS = LEAVING * WORD_BITS;
    localparam int RETURNS_BITS = RETURNING > 0 ? RETURNING * N_PE : N_PE;
    localparam int CREDITS = DEPTH > 1 ? DEPTH - 1 : 1;
    localparam int CREDIT_BITS = $clog2(CREDITS + 1);

    logic [LEAVING-1:0] leaving;
    logic [WORDS_BITS-1:0] words;
    logic [RETURNS_BITS-1:0] returning;
    logic [N_PE-1:0] returned, spent;
    logic [CREDIT_BITS-1:0] credits [0:N_PE-1];

    assign arrive = BROADCAST_LATENCY > 0 ? leaving[LEAVING-1] : push;
    assign {arrive_column, arrive_value} = BROADCAST_LATENCY > 0 ? words[WORDS_BITS-1 -: WORD_BITS] : {column, value};
    assign in_flight = BROADCAST_LATENCY > 0 && leaving != 0;
    assign returned = RETURNING > 0 ? returning[RETURNS_BITS-1 -: N_PE] : credit;
    assign any_full = BROADCAST_LATENCY > 0 ? |spent : |full;

    genvar k;
    for (k = 0; k < N_PE; k++) begin : counts
        assign spent[k] = credits[k] == 0;

        always_ff @(posedge clk) begin
            if (push && !returned[k]) credits[k] <= credits[k] - 1'b1;
            if (returned[k] && !push) credits[k] <= credits[k] + 1'b1;
            if (start || rst) credits[k] <= CREDIT_BITS'(CREDITS);
        end
    end

    always_ff @(posedge clk) begin
        leaving <= LEAVING'({leaving, push});
        words <= WORDS_BITS'({words, column, value});
        returning <= RETURNS_BITS'({returning, credit});
        // A layer may be done before its last credits are back; the next one begins with all of them.
        if (start || rst) begin
            leaving <= '0;
            returning <= '0;
        end
    end
endmodule
