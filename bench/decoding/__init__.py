"""Files of sound → samples: which decoder reads them, and whether it reads all that there is."""
