"""An onsale in closed loop, in virtual time: the project's own code against a model shop, beside what people run today.

The release scripts run on a real store whose clock is the simulation's; `decide`, the admission target, its script and the poll
intervals are the product's. The shop, its buyers and their load are a model (`shop`, `crowd`), and the same for every contender:

- `tidegate`: the waiting room and the scaler as one loop;
- `tidegate-scheduled`: the same, and the rule names the hour;
- `hpa`: the HorizontalPodAutoscaler's algorithm on utilisation, and no waiting room: the whole crowd is let loose on the shop;
- `fixed`: a waiting room with a rate set by hand, for the whole shop, beside the HPA;
- `prepared`: the same by a team that knows the hour and the shop: scaled up before the opening, and the HPA's scale-down tuned;
- the optimum: what the capacity could have served that there might have been (`optimum`).
"""
