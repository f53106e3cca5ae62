"""What the scaler tells about itself: frozen events, passed to instruments. The loop knows no metrics library and no logger."""
