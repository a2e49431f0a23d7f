"""What EIE is compared with: other devices, and this host (`measure_cpu`)."""
