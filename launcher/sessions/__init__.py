"""The sessions of this launcher: started, found, watched, ended, remembered."""
