// In the paper: one processing element (section IV, figure 4), the units in the order in which an activation meets them.
// In time: push, pop a cycle later at the soonest, issue from the pop edge on, write five cycles after the issue.
// Contract: A PE; `busy` while something waits, is in service or is in the pipeline.
module pe #(
    parameter int DEPTH = 8,
    parameter int BITS = 16,
    parameter int ACC_BITS = 16,
    parameter int WEIGHT_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int SPMAT_WIDTH = 64,
    parameter bit HALF_EVEN = 1,
    parameter int SPMAT_ROWS = 16384,
    parameter int PTR_WORDS = 16384,
    parameter int ACT_ROWS = 64,
    parameter int COLUMN_BITS = 14,
    parameter int ACT_ADDRESS_BITS = 6,
    parameter int LOAD_ADDRESS_BITS = 14,
    parameter int LOAD_BITS = 64,
    parameter int REG_BITS = 16,
    parameter int ROW_ENTRIES = 8,
    parameter int PLACE_BITS = 3,
    parameter int SPMAT_ADDRESS_BITS = 14,
    parameter int PTR_BITS = 18
) (
    input  logic                         clk,
    input  logic                         rst,
    input  logic                         start,
    input  logic                         swap,
    input  logic                         relu,
    input  logic [5:0]                   shift,
    input  logic                         lane_load,
    input  logic [ACT_ADDRESS_BITS-1:0]  lane_row,
    input  logic                         lane_pad,
    input  logic                         lane_bias,
    input  logic [BITS-1:0]              bias_value,
    input  logic                         lane_taken,
    output logic                         lane_active,
    output logic [BITS-1:0]              lane_value,
    input  logic                         push,
    input  logic [BITS-1:0]              push_value,
    input  logic [COLUMN_BITS-1:0]       push_column,
    output logic                         full,
    output logic                         credit,
    output logic                         busy,
    input  logic                         load_pointer,
    input  logic                         load_spmat,
    input  logic                         load_codebook,
    input  logic                         load_source,
    input  logic                         load_destination,
    input  logic [LOAD_ADDRESS_BITS-1:0] load_address,
    input  logic [LOAD_BITS-1:0]         load_data,
    input  logic                         read_out,
    input  logic [ACT_ADDRESS_BITS-1:0]  read_out_address,
    output logic [REG_BITS-1:0]          read_out_data
);
    // One bit more than an address: a pointer may be one past the last entry.
    localparam int ROW_BITS = SPMAT_ADDRESS_BITS + 1;

    logic queue_full, lock_full, queue_valid, pop;
    logic [BITS-1:0] queue_value;
    logic [COLUMN_BITS-1:0] queue_column;

    act_queue #(.DEPTH(DEPTH), .BITS(BITS), .COLUMN_BITS(COLUMN_BITS)) queue (
        .clk, .rst, .push, .push_value, .push_column, .pop, .full(queue_full), .valid(queue_valid),
        .value(queue_value), .column(queue_column));

    assign full = DEPTH == 1 ? lock_full : queue_full;

    logic serving, issue, issue_first;
    logic [ROW_BITS-1:0] issue_row;
    logic [PLACE_BITS-1:0] issue_place;
    logic [BITS-1:0] issue_value;

    ptr_read #(.DEPTH(DEPTH), .BITS(BITS), .COLUMN_BITS(COLUMN_BITS), .PTR_WORDS(PTR_WORDS), .ROW_BITS(ROW_BITS),
               .PLACE_BITS(PLACE_BITS), .ROW_ENTRIES(ROW_ENTRIES)) pointers (
        .clk, .rst, .push, .push_column, .valid(queue_valid), .value(queue_value), .column(queue_column), .pop,
        .full(lock_full), .credit, .serving, .issue, .issue_first, .issue_row, .issue_place, .issue_value,
        .load(load_pointer), .load_address(load_address[COLUMN_BITS-1:0]), .load_data(load_data[PTR_BITS-1:0]));

    logic reading, entry_valid, entry_first;
    logic [WEIGHT_BITS-1:0] code;
    logic [INDEX_BITS-1:0] run;
    logic [BITS-1:0] entry_value;

    spmat_read #(.BITS(BITS), .WEIGHT_BITS(WEIGHT_BITS), .INDEX_BITS(INDEX_BITS), .SPMAT_WIDTH(SPMAT_WIDTH),
                 .SPMAT_ROWS(SPMAT_ROWS), .ROW_BITS(ROW_BITS), .PLACE_BITS(PLACE_BITS),
                 .ADDRESS_BITS(SPMAT_ADDRESS_BITS)) spmat (
        .clk, .rst, .start, .issue, .issue_first, .issue_row, .issue_place, .issue_value, .reading,
        .valid(entry_valid), .first(entry_first), .code, .run, .value(entry_value),
        .load(load_spmat), .load_address(load_address[SPMAT_ADDRESS_BITS-1:0]), .load_data(load_data[SPMAT_WIDTH-1:0]));

    logic acc_write, adder_busy;
    logic [ACT_ADDRESS_BITS-1:0] read_address, write_address;
    logic [ACC_BITS-1:0] read_data, write_data;

    arithmetic #(.BITS(BITS), .ACC_BITS(ACC_BITS), .WEIGHT_BITS(WEIGHT_BITS), .INDEX_BITS(INDEX_BITS),
                 .ADDRESS_BITS(ACT_ADDRESS_BITS), .HALF_EVEN(HALF_EVEN)) arith (
        .clk, .rst, .shift, .valid(entry_valid), .first(entry_first), .code, .run, .value(entry_value),
        .read_address, .read_data, .write(acc_write), .write_address, .write_data,
        .busy(adder_busy),
        .load(load_codebook), .load_address(load_address[WEIGHT_BITS-1:0]), .load_data(load_data[BITS-1:0]));

    act_rw #(.BITS(BITS), .ACC_BITS(ACC_BITS), .ACT_ROWS(ACT_ROWS), .ADDRESS_BITS(ACT_ADDRESS_BITS)) act (
        .clk, .rst, .swap, .relu, .lane_load, .lane_row, .lane_pad, .lane_bias, .bias_value,
        .lane_taken, .lane_active, .lane_value,
        .read_address, .read_data, .write(acc_write), .write_address, .write_data,
        .load_source, .load_destination, .load_address(load_address[ACT_ADDRESS_BITS-1:0]),
        .load_data(load_data[REG_BITS-1:0]), .read_out, .read_out_address, .read_out_data);

    assign busy = queue_valid || serving || reading || adder_busy;
endmodule
