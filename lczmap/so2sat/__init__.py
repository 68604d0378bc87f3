"""So2Sat LCZ42 (Zhu et al. 2020): its files, a compact copy for training, patches of it, and the papers' splits."""
