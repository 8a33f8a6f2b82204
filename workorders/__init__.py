"""Work orders (工单): import from the 12345 export, the link from calls to orders, and outcomes read from dialogue."""
