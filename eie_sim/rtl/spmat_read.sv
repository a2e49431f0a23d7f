// In the paper: the sparse-matrix read unit (section IV): an SRAM whose rows hold several entries of (code, zero run).
// In time: the entry issued in cycle c is read from its row in cycle c + 1 and leaves in a register at edge c + 2.
// Contract: A PE, rule 2: a row is read when it is another than the last one read; the first of a layer always is.
module spmat_read #(
    parameter int BITS = 16,
    parameter int WEIGHT_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int SPMAT_WIDTH = 64,
    parameter int SPMAT_ROWS = 16384,
    parameter int ROW_BITS = 15,
    parameter int PLACE_BITS = 3,
    parameter int ADDRESS_BITS = 14
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    start,
    input  logic                    issue,
    input  logic                    issue_first,
    input  logic [ROW_BITS-1:0]     issue_row,
    input  logic [PLACE_BITS-1:0]   issue_place,
    input  logic [BITS-1:0]         issue_value,
    output logic                    reading,
    output logic                    valid,
    output logic                    first,
    output logic [WEIGHT_BITS-1:0]  code,
    output logic [INDEX_BITS-1:0]   run,
    output logic [BITS-1:0]         value,
    input  logic                    load,
    input  logic [ADDRESS_BITS-1:0] load_address,
    input  logic [SPMAT_WIDTH-1:0]  load_data
);
    localparam int ENTRY_BITS = WEIGHT_BITS + INDEX_BITS;

    logic row_read, known, reading_first;
    logic [ROW_BITS-1:0] last_row;
    logic [PLACE_BITS-1:0] place;
    logic [BITS-1:0] reading_value;
    logic [SPMAT_WIDTH-1:0] row;

    assign row_read = issue && !(known && issue_row == last_row);

    sram #(.WIDTH(SPMAT_WIDTH), .DEPTH(SPMAT_ROWS), .ADDRESS_BITS(ADDRESS_BITS)) rows (
        .clk, .enable(row_read || load), .write(load), .address(load ? load_address : issue_row[ADDRESS_BITS-1:0]),
        .data_in(load_data), .data_out(row));

    always_ff @(posedge clk) begin
        if (row_read) last_row <= issue_row;
        known <= (known || issue) && !start;
        reading <= issue;
        reading_first <= issue_first;
        place <= issue_place;
        reading_value <= issue_value;

        valid <= reading;
        first <= reading_first;
        value <= reading_value;
        {run, code} <= row[int'(place) * ENTRY_BITS +: ENTRY_BITS];
        if (rst) begin
            known <= 1'b0;
            reading <= 1'b0;
            valid <= 1'b0;
        end
    end
endmodule
