// In the paper: the accelerator (section IV, figure 4): N_PE processing elements, the tree and the central control.
// In time: load through the port, `start` for one cycle before edge 1, `done` in the last cycle, then read out or swap.
// Contract: all of it; sums are those before the activation function, and `relu` is applied where inputs are read.
module eie #(
    parameter int N_PE = 64,
    parameter int DEPTH = 8,          // of the activation queue, one activation in service included
    parameter int BITS = 16,          // of activations and weights
    parameter int ACC_BITS = 16,
    parameter int WEIGHT_BITS = 4,    // of a code
    parameter int INDEX_BITS = 4,     // of a zero run
    parameter int SPMAT_WIDTH = 64,
    parameter int FANIN = 4,          // of a node of the leading-non-zero tree
    parameter bit HALF_EVEN = 1,      // rounding of the shift; 0 drops the low bits
    parameter int SPMAT_ROWS = 16384, // of each PE, as are the next two
    parameter int PTR_WORDS = 16384,
    parameter int ACT_ROWS = 64,
    parameter int BROADCAST_LATENCY = 0, // registers between the tree and the queues, and as many on the way back
    parameter int LANE_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    parameter int ACT_ADDRESS_BITS = ACT_ROWS > 1 ? $clog2(ACT_ROWS) : 1,
    parameter int COLUMN_BITS = PTR_WORDS > 4 ? $clog2(PTR_WORDS) : 2,
    parameter int REG_BITS = ACC_BITS > BITS ? ACC_BITS : BITS,
    // The load port: as wide as the widest word, a pointer of (row, place) among them, and the longest address.
    parameter int ROW_ENTRIES = SPMAT_WIDTH / (WEIGHT_BITS + INDEX_BITS),
    parameter int PLACE_BITS = ROW_ENTRIES > 1 ? $clog2(ROW_ENTRIES) : 1,
    parameter int SPMAT_ADDRESS_BITS = SPMAT_ROWS > 1 ? $clog2(SPMAT_ROWS) : 1,
    parameter int PTR_BITS = SPMAT_ADDRESS_BITS + 1 + PLACE_BITS,
    parameter int WORD_BITS = SPMAT_WIDTH > PTR_BITS ? SPMAT_WIDTH : PTR_BITS,
    parameter int LOAD_BITS = WORD_BITS > REG_BITS ? WORD_BITS : REG_BITS,
    parameter int MEMORY_BITS = COLUMN_BITS > SPMAT_ADDRESS_BITS ? COLUMN_BITS : SPMAT_ADDRESS_BITS,
    parameter int TABLE_BITS = WEIGHT_BITS > ACT_ADDRESS_BITS ? WEIGHT_BITS : ACT_ADDRESS_BITS,
    parameter int LOAD_ADDRESS_BITS = MEMORY_BITS > TABLE_BITS ? MEMORY_BITS : TABLE_BITS
) (
    input  logic                         clk,
    input  logic                         rst,
    input  logic                         start,
    input  logic                         swap,        // the destination of the layer before becomes the source
    input  logic                         relu,
    input  logic [5:0]                   shift,
    input  logic [ACT_ADDRESS_BITS-1:0]  last_row,    // of the inputs: (inputs - 1) / N_PE
    input  logic [LANE_BITS-1:0]         last_lane,   // (inputs - 1) mod N_PE
    input  logic                         has_bias,    // broadcast one more input after them
    input  logic [BITS-1:0]              bias_value,
    output logic                         running,
    output logic                         done,
    input  logic                         load,
    input  logic [2:0]                   load_target, // 0 pointers, 1 sparse matrix, 2 codebook (all PEs), 3 inputs, 4 bias
    input  logic [LANE_BITS-1:0]         load_pe,
    input  logic [LOAD_ADDRESS_BITS-1:0] load_address,
    input  logic [LOAD_BITS-1:0]         load_data,
    input  logic                         read_out,    // a sum of a PE, in the next cycle
    input  logic [LANE_BITS-1:0]         read_out_pe,
    input  logic [ACT_ADDRESS_BITS-1:0]  read_out_address,
    output logic [REG_BITS-1:0]          read_out_data
);
    // Control registers, written at `start`; edge 1 is the next edge. The load port has a register too.
    logic starts, relu_q, has_bias_q;
    logic [5:0] shift_q;
    logic [ACT_ADDRESS_BITS-1:0] last_row_q;
    logic [LANE_BITS-1:0] last_lane_q;
    logic [BITS-1:0] bias_value_q;
    logic load_q;
    logic [2:0] load_target_q;
    logic [LANE_BITS-1:0] load_pe_q;
    logic [LOAD_ADDRESS_BITS-1:0] load_address_q;
    logic [LOAD_BITS-1:0] load_data_q;

    always_ff @(posedge clk) begin
        starts <= start && !rst;
        if (start) begin
            relu_q <= relu;
            has_bias_q <= has_bias;
            shift_q <= shift;
            last_row_q <= last_row;
            last_lane_q <= last_lane;
            bias_value_q <= bias_value;
        end
        load_q <= load && !rst;
        if (load) begin
            load_target_q <= load_target;
            load_pe_q <= load_pe;
            load_address_q <= load_address;
            load_data_q <= load_data;
        end
    end

    logic found, push, arrive, lane_load, lane_last, lane_bias;
    logic [LANE_BITS-1:0] lane;
    logic [BITS-1:0] value, arrive_value;
    logic [COLUMN_BITS-1:0] arrive_column;
    logic [ACT_ADDRESS_BITS-1:0] lane_row;
    logic [N_PE-1:0] active, full, credit, busy;
    logic [N_PE-1:0][BITS-1:0] values;
    logic [N_PE-1:0][REG_BITS-1:0] sums;

    ccu #(.N_PE(N_PE), .ROW_BITS(ACT_ADDRESS_BITS), .LANE_BITS(LANE_BITS), .COLUMN_BITS(COLUMN_BITS), .BITS(BITS),
          .DEPTH(DEPTH), .BROADCAST_LATENCY(BROADCAST_LATENCY)) control (
        .clk, .rst, .start(starts), .last_row(last_row_q), .has_bias(has_bias_q), .found, .lane, .value,
        .full, .credit, .any_busy(|busy), .running,
        .lane_load, .lane_row, .lane_last, .lane_bias, .push, .arrive, .arrive_value, .arrive_column, .done);

    lnzd #(.N_PE(N_PE), .BITS(BITS), .FANIN(FANIN), .LANE_BITS(LANE_BITS)) tree (
        .active, .values, .found, .lane, .value);

    genvar k;  // declared apart: Icarus 11 takes one of the loop's own for a net
    for (k = 0; k < N_PE; k++) begin : pes
        logic loaded, pad;
        assign loaded = load_q && load_pe_q == LANE_BITS'(k);
        // Zeros beyond the last input; a bias has one lane only.
        assign pad = lane_bias || (lane_last && int'(last_lane_q) < k);

        pe #(.DEPTH(DEPTH), .BITS(BITS), .ACC_BITS(ACC_BITS), .WEIGHT_BITS(WEIGHT_BITS), .INDEX_BITS(INDEX_BITS),
             .SPMAT_WIDTH(SPMAT_WIDTH), .HALF_EVEN(HALF_EVEN), .SPMAT_ROWS(SPMAT_ROWS), .PTR_WORDS(PTR_WORDS),
             .ACT_ROWS(ACT_ROWS), .COLUMN_BITS(COLUMN_BITS),
             .ACT_ADDRESS_BITS(ACT_ADDRESS_BITS), .LOAD_ADDRESS_BITS(LOAD_ADDRESS_BITS), .LOAD_BITS(LOAD_BITS),
             .REG_BITS(REG_BITS), .ROW_ENTRIES(ROW_ENTRIES), .PLACE_BITS(PLACE_BITS),
             .SPMAT_ADDRESS_BITS(SPMAT_ADDRESS_BITS), .PTR_BITS(PTR_BITS)) element (
            .clk, .rst, .start(starts), .swap, .relu(relu_q), .shift(shift_q), .lane_load, .lane_row, .lane_pad(pad),
            .lane_bias(lane_bias && k == 0), .bias_value(bias_value_q), .lane_taken(push && lane == LANE_BITS'(k)),
            .lane_active(active[k]), .lane_value(values[k]), .push(arrive),
            .push_value(arrive_value), .push_column(arrive_column), .full(full[k]), .credit(credit[k]), .busy(busy[k]),
            .load_pointer(loaded && load_target_q == 3'd0), .load_spmat(loaded && load_target_q == 3'd1),
            .load_codebook(load_q && load_target_q == 3'd2), .load_source(loaded && load_target_q == 3'd3),
            .load_destination(loaded && load_target_q == 3'd4), .load_address(load_address_q), .load_data(load_data_q),
            .read_out(read_out && read_out_pe == LANE_BITS'(k)), .read_out_address, .read_out_data(sums[k]));
    end

    always_comb begin
        read_out_data = '0;
        for (int i = 0; i < N_PE; i++) read_out_data |= sums[i];
    end
endmodule
