EXAMPLES="x"
def up(options):
    """Start"""
    print(options); return 3
