// In the paper: the activation read/write unit (section IV): two register files, source and destination, that swap roles.
// In time: the lane register loads its row at an edge; a destination is read in c + 3 and sees the write of that cycle.
// Contract: Scan, rules 1 and 5 (rows of N lanes, the last padded with zeros; a bias is one more row), and A PE, rule 3.
module act_rw #(
    parameter int BITS = 16,
    parameter int ACC_BITS = 16,
    parameter int ACT_ROWS = 64,
    parameter int ADDRESS_BITS = 6,
    parameter int REG_BITS = ACC_BITS > BITS ? ACC_BITS : BITS
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    swap,
    input  logic                    relu,
    // The lane of this PE: loaded with a row of inputs, or with the bias, or emptied beyond the last input.
    input  logic                    lane_load,
    input  logic [ADDRESS_BITS-1:0] lane_row,
    input  logic                    lane_pad,
    input  logic                    lane_bias,
    input  logic [BITS-1:0]         bias_value,
    input  logic                    lane_taken,
    output logic                    lane_active,
    output logic [BITS-1:0]         lane_value,
    input  logic [ADDRESS_BITS-1:0] read_address,
    output logic [ACC_BITS-1:0]     read_data,
    input  logic                    write,
    input  logic [ADDRESS_BITS-1:0] write_address,
    input  logic signed [ACC_BITS-1:0] write_data,
    // Loading inputs (source) or a bias (destination), and reading sums out.
    input  logic                    load_source,
    input  logic                    load_destination,
    input  logic [ADDRESS_BITS-1:0] load_address,
    input  logic [REG_BITS-1:0]     load_data,
    input  logic                    read_out,
    input  logic [ADDRESS_BITS-1:0] read_out_address,
    output logic [REG_BITS-1:0]     read_out_data
);
    localparam logic signed [REG_BITS-1:0] HIGHEST = REG_BITS'((65'sd1 <<< (BITS - 1)) - 65'sd1);
    localparam logic signed [REG_BITS-1:0] LOWEST = REG_BITS'(-(65'sd1 <<< (BITS - 1)));

    // A register that was not written since its file became the destination counts as zero: no cycles to clear it.
    logic signed [REG_BITS-1:0] file0 [0:ACT_ROWS-1];
    logic signed [REG_BITS-1:0] file1 [0:ACT_ROWS-1];
    logic [ACT_ROWS-1:0] written0, written1;
    logic source;  // 0: file0 is the source and file1 the destination

    logic signed [REG_BITS-1:0] source_data, lane_data;
    logic [ACC_BITS-1:0] destination_data;

    assign source_data = source ? (written1[lane_row] ? file1[lane_row] : '0) : (written0[lane_row] ? file0[lane_row] : '0);

    // The accumulators of the layer before are this layer's inputs: cut to the bits of an activation.
    always_comb
        if (relu && source_data < 0) lane_data = '0;
        else if (source_data > HIGHEST) lane_data = HIGHEST;
        else if (source_data < LOWEST) lane_data = LOWEST;
        else lane_data = source_data;

    always_ff @(posedge clk) begin
        if (lane_load) begin
            lane_value <= lane_bias ? bias_value : lane_data[BITS-1:0];
            lane_active <= lane_bias || (!lane_pad && lane_data != 0);
        end else if (lane_taken) lane_active <= 1'b0;
        if (rst) lane_active <= 1'b0;
    end

    assign destination_data = source ? (written0[read_address] ? ACC_BITS'(file0[read_address]) : '0)
                                     : (written1[read_address] ? ACC_BITS'(file1[read_address]) : '0);
    assign read_data = write && write_address == read_address ? write_data : destination_data;

    logic write0, write1;
    logic [ADDRESS_BITS-1:0] address;
    logic signed [REG_BITS-1:0] data;

    assign address = write ? write_address : load_address;
    assign data = write ? REG_BITS'(write_data) : load_data;
    assign write0 = source ? write || load_destination : load_source;
    assign write1 = source ? load_source : write || load_destination;

    always_ff @(posedge clk) begin
        if (write0) begin
            file0[address] <= data;
            written0[address] <= 1'b1;
        end
        if (write1) begin
            file1[address] <= data;
            written1[address] <= 1'b1;
        end
        if (swap) begin
            source <= !source;
            if (source) written1 <= '0;
            else written0 <= '0;
        end
        if (rst) begin
            source <= 1'b0;
            written0 <= '0;
            written1 <= '0;
        end
        // Zero unless asked for: the outputs of all PEs are joined by OR.
        read_out_data <= !read_out ? '0 : source ? (written0[read_out_address] ? file0[read_out_address] : '0)
                                                 : (written1[read_out_address] ? file1[read_out_address] : '0);
    end
endmodule
