// In the paper: one single-ported SRAM macro (pointer bank, sparse-matrix memory; section IV).
// In time: addressed at a clock edge while `enable`; the word is at `data_out` from then on, until the next read.
// Contract: A PE, rule 2: the held output is the row buffer, so a row that is read again costs no access.
module sram #(
    parameter int WIDTH = 64,
    parameter int DEPTH = 1024,
    parameter int ADDRESS_BITS = 10
) (
    input  logic                    clk,
    input  logic                    enable,
    input  logic                    write,
    input  logic [ADDRESS_BITS-1:0] address,
    input  logic [WIDTH-1:0]        data_in,
    output logic [WIDTH-1:0]        data_out
);
    logic [WIDTH-1:0] words [0:DEPTH-1];

    always_ff @(posedge clk)
        if (enable) begin
            if (write) words[address] <= data_in;
            else data_out <= words[address];
        end
endmodule
