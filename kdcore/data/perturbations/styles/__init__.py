"""What the stylised test sets use: style networks, texture images, and style transfer by Gram matrices."""
