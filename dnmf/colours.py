"""The colours of pictures and pages."""

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) without the yellow, which is too faint for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FAINT = "#767676"
